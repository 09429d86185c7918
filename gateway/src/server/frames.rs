//! The frames of an HTTP/2 connection as they come (RFC 9113 §4.1): how far a head has come, and who sends more frames that
//! bring nothing than what was sent to them explains.
//!
//! h2 reads the frames, and nothing is read here but their first nine bytes. What it bounds by itself (streams, heads and
//! their continuations) is not counted again; what costs it nothing but time is.

use tokio::time::Instant;

/// What a client says first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// So many frames that bring nothing may come at once.
const AT_ONCE: u32 = 1000;

/// So many more may come each second.
const PER_SECOND: u32 = 100;

/// For so many bytes that went to the client one more may come: windows are opened, and round trips measured, as data flow.
const BYTES_EACH: u32 = 512;

/// How far a connection's frames have come.
pub(super) struct Frames {
    preface: usize,
    header: [u8; 9],
    /// How much of the header has come.
    begun: usize,
    /// How much of the frame's payload has not.
    left: usize,
    /// Whether a head has begun and not ended.
    head: Head,
    /// Of a trusted proxy's connection nothing is counted: it carries many clients.
    allowance: Option<FrameAllowance>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    None,
    /// More of it will come in another frame.
    Open,
    /// It ends with this frame.
    Last,
}

/// How many more frames may come that bring nothing.
struct FrameAllowance {
    left: u32,
    counted: Instant,
    /// Bytes that went to the client and are not counted yet.
    sent: u32,
}

/// What came too often: the name of a kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood(pub(super) &'static str);

impl Frames {
    /// A connection that begins at `now`; `counted` unless its other end is trusted.
    pub(super) fn new(counted: bool, now: Instant) -> Self {
        let allowance = counted.then_some(FrameAllowance { left: AT_ONCE, counted: now, sent: 0 });
        Self { preface: 0, header: [0; 9], begun: 0, left: 0, head: Head::None, allowance }
    }

    /// Whether the client has said what it says first.
    pub(super) fn has_begun(&self) -> bool {
        self.preface == PREFACE.len()
    }

    /// Whether some of a head has come and not all.
    pub(super) fn is_in_head(&self) -> bool {
        self.head != Head::None
    }

    /// These bytes came.
    ///
    /// # Errors
    /// There were too many frames that bring nothing.
    pub(super) fn came(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Flood> {
        // What is no preface is h2's to refuse.
        let preface = bytes.len().min(PREFACE.len() - self.preface);
        self.preface += preface;
        bytes = &bytes[preface..];
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = bytes.len().min(self.left);
                self.left -= skipped;
                bytes = &bytes[skipped..];
            } else {
                let taken = bytes.len().min(self.header.len() - self.begun);
                self.header[self.begun..self.begun + taken].copy_from_slice(&bytes[..taken]);
                self.begun += taken;
                bytes = &bytes[taken..];
                if self.begun < self.header.len() {
                    break;
                }
                self.begun = 0;
                self.frame(now)?;
            }
            if self.left == 0 && self.begun == 0 && self.head == Head::Last {
                self.head = Head::None;
            }
        }
        Ok(())
    }

    /// So many bytes went to the client.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(allowance) = &mut self.allowance {
            allowance.sent = allowance.sent.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// A frame begins, whose header has come.
    fn frame(&mut self, now: Instant) -> Result<(), Flood> {
        const END: u8 = 1;
        const END_HEADERS: u8 = 4;
        let [high, middle, low, kind, flags, ..] = self.header;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let kind = match kind {
            0 if self.left > 0 || flags & END != 0 => return Ok(()),
            0 => "data",
            1 | 9 => {
                self.head = if flags & END_HEADERS == 0 { Head::Open } else { Head::Last };
                return Ok(());
            }
            2 => "priority",
            3 => "rst-stream",
            4 => "settings",
            6 => "ping",
            8 => "window-update",
            _ => "other",
        };
        let allowed = self.allowance.as_mut().is_none_or(|allowance| allowance.take(now));
        if allowed { Ok(()) } else { Err(Flood(kind)) }
    }
}

impl FrameAllowance {
    fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            let waited = now.saturating_duration_since(self.counted).as_millis();
            let waited = (waited * u128::from(PER_SECOND) / 1000).min(u128::from(AT_ONCE));
            let more = waited + u128::from(self.sent / BYTES_EACH);
            if more > 0 {
                (self.counted, self.sent) = (now, self.sent % BYTES_EACH);
            }
            self.left = u32::try_from(more).unwrap_or(u32::MAX);
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A frame with this much payload.
    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u8::try_from(payload).expect("a short one");
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.extend(vec![0; payload]);
        frame
    }

    fn begun(counted: bool) -> (Frames, Instant) {
        let now = Instant::now();
        let mut frames = Frames::new(counted, now);
        frames.came(PREFACE, now).expect("no flood");
        assert!(frames.has_begun() && !frames.is_in_head());
        (frames, now)
    }

    #[test]
    fn a_head_is_open_from_its_first_frame_to_the_end_of_its_last() {
        let check = |bytes: &[u8], expected: &str| {
            let (mut frames, now) = begun(true);
            let mut seen = String::new();
            for byte in bytes {
                frames.came(&[*byte], now).expect("no flood");
                seen.push(if frames.is_in_head() { 'h' } else { '.' });
            }
            assert_eq!(seen, expected);
        };
        check(&frame(1, 4, 2), "........hh.");
        check(&frame(1, 4, 0), ".........");
        check(&frame(1, 0, 1), "........hh");
        check(&[frame(1, 0, 1), frame(9, 4, 1)].concat(), "........hhhhhhhhhhh.");
        check(&frame(0, 0, 2), "...........");
    }

    #[test]
    fn frames_that_bring_nothing_are_counted_and_others_are_not() {
        let check = |bytes: Vec<u8>, expected: Option<&'static str>| {
            let (mut frames, now) = begun(true);
            let all = bytes.repeat(AT_ONCE as usize + 1);
            assert_eq!(frames.came(&all, now), expected.map_or(Ok(()), |kind| Err(Flood(kind))), "{bytes:?}");
        };
        check(frame(0, 0, 0), Some("data"));
        check(frame(2, 0, 5), Some("priority"));
        check(frame(3, 0, 4), Some("rst-stream"));
        check(frame(4, 0, 0), Some("settings"));
        check(frame(6, 0, 8), Some("ping"));
        check(frame(8, 0, 4), Some("window-update"));
        check(frame(77, 0, 3), Some("other"));
        check(frame(0, 0, 1), None);
        check(frame(0, 1, 0), None);
        check(frame(1, 4, 3), None);
    }

    #[test]
    fn time_and_data_allow_more_and_a_trusted_proxy_may_send_any_number() {
        let ping = frame(6, 0, 8);
        let (mut frames, now) = begun(true);
        let many = ping.repeat(AT_ONCE as usize);
        frames.came(&many, now).expect("as many as may be at once");
        frames.came(&ping.repeat(100), now + Duration::from_secs(1)).expect("a second more");
        assert!(frames.came(&ping, now + Duration::from_secs(1)).is_err());
        let (mut frames, now) = begun(true);
        for _ in 0..50 {
            frames.sent(100 * BYTES_EACH as usize);
            frames.came(&ping.repeat(100), now).expect("it was sent as much");
        }
        let (mut frames, now) = begun(false);
        frames.came(&many.repeat(3), now).expect("nothing is counted");
    }
}
