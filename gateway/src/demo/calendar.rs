//! Today's meetings of a room, as the legacy service has them: titles that fit the hour, around the clock, so that a
//! wall has something to show whenever somebody looks.
//!
//! A pure function of the room's name. What it gives is made up; what the displays show is what they were answered.

use serde::{Deserialize, Serialize};

/// A meeting of today. Times are local, `HH:MM`, so that they compare as text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Meeting {
    /// When it begins.
    pub start: String,
    /// When it ends; `24:00` at the latest.
    pub end: String,
    /// What it is about.
    pub title: String,
}

/// The colours that a customer's screens can have.
pub const THEMES: [&str; 4] = ["teal", "indigo", "plum", "olive"];

const DAY: u64 = 24 * 60;
/// Whatever begins earlier than this hour has a title of this row.
const TITLES: [(u64, [&str; 6]); 5] = [
    (8, ["Night shift", "Call with Tokyo", "Call with Sydney", "Release watch", "Backup drill", "Early call"]),
    (11, ["Stand-up", "Design review", "Interview", "Sprint planning", "Budget", "Security review"]),
    (14, ["Lunch talk", "Onboarding", "One-to-one", "Team lunch", "Book club", "Sales review"]),
    (18, ["Workshop", "Customer visit", "Roadmap", "Retrospective", "Interview", "Demo"]),
    (24, ["Call with Denver", "Call with Austin", "Release watch", "Board call", "Choir", "Chess club"]),
];

/// The meetings of this room's day, in order, with gaps between some of them.
pub fn of_room(room: &str) -> Vec<Meeting> {
    let mut number = seed(room);
    let mut draw = |below: u64| {
        number = mixed(number);
        number % below
    };
    let mut minute = draw(5) * 15;
    let mut meetings = Vec::new();
    while minute < DAY - 30 {
        let end = (minute + [30, 30, 45, 60, 60, 90][usize::try_from(draw(6)).unwrap_or(0)]).min(DAY);
        let titles = TITLES.iter().find(|(before, _)| minute < before * 60).map_or(&TITLES[0].1, |(_, titles)| titles);
        let title = titles[usize::try_from(draw(6)).unwrap_or(0)].to_owned();
        meetings.push(Meeting { start: clock_face(minute), end: clock_face(end), title });
        minute = end + [0, 0, 15, 30, 60][usize::try_from(draw(5)).unwrap_or(0)];
    }
    meetings
}

/// The colour of this room's screen.
pub fn theme_of(room: &str) -> &'static str {
    THEMES[usize::try_from(mixed(seed(room)) >> 62).unwrap_or(0)]
}

fn clock_face(minute: u64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// FNV-1a.
fn seed(room: &str) -> u64 {
    room.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The next number (`xorshift64`).
fn mixed(mut number: u64) -> u64 {
    number ^= number << 13;
    number ^= number >> 7;
    number ^ (number << 17)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_meetings_in_order_that_do_not_overlap_at_every_time_of_day() {
        for room in ["Oslo", "Kyoto", "1.01"] {
            let meetings = of_room(room);
            assert!(meetings.iter().all(|meeting| meeting.start < meeting.end && *meeting.end <= *"24:00"), "{room}");
            assert!(meetings.windows(2).all(|pair| pair[0].end <= pair[1].start), "{room}: {meetings:?}");
            for hour in 0..23 {
                let (from, to) = (clock_face(hour * 60), clock_face(hour * 60 + 120));
                assert!(meetings.iter().any(|meeting| meeting.end > from && meeting.start < to), "{room} at {from}");
            }
        }
        assert_ne!(of_room("Oslo"), of_room("Kyoto"));
    }
}
