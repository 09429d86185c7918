//! Where the frames of a WebSocket end, so that a frame of ours can go between two of them (RFC 6455 §5.2).
//!
//! Nothing is unmasked, kept or checked: the ends speak to each other. A frame costs its head, and not its payload.

/// The longest head of a frame: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;

/// The opcode of a close frame.
const CLOSE: u8 = 0x8;

/// How far one direction of a WebSocket has come.
#[derive(Debug, Default)]
pub(super) struct FrameScanner {
    head: [u8; LONGEST_HEAD],
    /// How many bytes of a head have come.
    in_head: usize,
    /// How many bytes of a payload are still to come.
    payload: u64,
    /// How many bytes have come since the last frame ended.
    since_end: u64,
    /// Whether a close frame has begun to pass.
    closed: bool,
}

/// Why we close a WebSocket. What there is no word for is deliberate: an outage closes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClosingWord {
    /// It is proven that whoever opened it may not have it any more.
    Rejected,
    /// The gateway ends.
    Restarting,
    /// The service went away, or neither side has said anything for too long; or a device's token ran out, which it renews.
    TryAgain,
}

impl FrameScanner {
    /// These bytes pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first().copied() {
            if self.payload > 0 {
                let passing = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                (self.payload, self.since_end) = (self.payload - passing as u64, self.since_end + passing as u64);
                bytes = &bytes[passing..];
            } else {
                self.head[self.in_head] = first;
                (self.in_head, self.since_end) = (self.in_head + 1, self.since_end + 1);
                bytes = &bytes[1..];
                let Some(payload) = self.payload_of_head() else { continue };
                self.closed |= self.head[0] & 0x0f == CLOSE;
                (self.in_head, self.payload) = (0, payload);
            }
            if self.payload == 0 {
                self.since_end = 0;
            }
        }
    }

    /// How many bytes have passed since the last frame ended: none between two frames.
    pub(super) fn since_end(&self) -> u64 {
        self.since_end
    }

    /// Whether a close frame has begun to pass: nothing may follow it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The length of the payload, once the head is whole.
    fn payload_of_head(&self) -> Option<u64> {
        let head = &self.head[..self.in_head];
        let second = *head.get(1)?;
        let (length_bytes, mask) = (length_bytes(second), if second & 0x80 == 0 { 0 } else { 4 });
        if head.len() < 2 + length_bytes + mask {
            return None;
        }
        let long = head[2..2 + length_bytes].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        Some(if length_bytes == 0 { u64::from(second & 0x7f) } else { long })
    }
}

fn length_bytes(second: u8) -> usize {
    match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

impl ClosingWord {
    /// Its code (RFC 6455 §7.4, and the registry that it opened).
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Rejected => 1008,
            Self::Restarting => 1012,
            Self::TryAgain => 1013,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Rejected => "the sign-in is over",
            Self::Restarting => "the gateway restarts",
            Self::TryAgain => "try again later",
        }
    }

    /// A close frame that says it, as a server sends it: unmasked.
    pub(super) fn frame(self) -> Vec<u8> {
        let reason = self.reason().as_bytes();
        let length = u8::try_from(2 + reason.len()).unwrap_or(125).min(125);
        let mut frame = vec![0x80 | CLOSE, length];
        frame.extend(self.code().to_be_bytes());
        frame.extend(reason);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of `length` bytes of payload.
    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => frame.push(mask | short),
            (_, Ok(middle)) => {
                frame.push(mask | 126);
                frame.extend(middle.to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([1; 4].iter().take(if masked { 4 } else { 0 }));
        frame.extend(vec![0x88; length]);
        frame
    }

    #[test]
    fn an_end_is_found_wherever_the_bytes_are_split() {
        let frames = [(1, 0, false), (2, 5, true), (9, 125, false), (1, 126, false), (2, 70_000, true), (8, 2, false)];
        let all: Vec<Vec<u8>> =
            frames.iter().map(|(opcode, length, masked)| frame(*opcode, *length, *masked)).collect();
        let ends: Vec<usize> = (1..=all.len()).map(|count| all[..count].concat().len()).collect();
        let bytes = all.concat();
        for piece in [1, 2, 3, 7, 64, 4096, bytes.len()] {
            let (mut scanner, mut at) = (FrameScanner::default(), 0);
            for chunk in bytes.chunks(piece) {
                scanner.pass(chunk);
                at += chunk.len();
                let last = ends.iter().rev().find(|end| **end <= at).copied().unwrap_or(0);
                assert_eq!(scanner.since_end(), (at - last) as u64, "at {at} by {piece}");
            }
            assert!(scanner.is_closed());
        }
        let mut open = FrameScanner::default();
        open.pass(&all[..5].concat());
        assert!(!open.is_closed() && open.since_end() == 0, "a payload is no head");
    }

    #[test]
    fn a_length_that_nobody_can_mean_ends_nothing() {
        let mut scanner = FrameScanner::default();
        scanner.pass(&[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert_eq!(scanner.since_end(), 13);
    }

    #[test]
    fn a_closing_word_is_a_frame_that_ends_all() {
        for word in [ClosingWord::Rejected, ClosingWord::Restarting, ClosingWord::TryAgain] {
            let frame = word.frame();
            let mut scanner = FrameScanner::default();
            scanner.pass(&frame);
            assert!(scanner.is_closed() && scanner.since_end() == 0, "{frame:?}");
            assert_eq!(frame[2..4], word.code().to_be_bytes());
        }
    }
}
