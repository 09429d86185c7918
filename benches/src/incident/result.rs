//! What a replay cost, gateway by gateway.

use serde::Serialize;

use super::{
    display::Display,
    ledger::{Ledger, Lost},
    script::Script,
    stand::{Cast, Stand},
    why,
};

/// A replay.
#[derive(Debug, Serialize)]
pub(super) struct IncidentResult {
    pub(super) script: Script,
    pub(super) cast: Cast,
    /// The second at which it was interrupted, if it was.
    pub(super) interrupted: Option<f64>,
    pub(super) gateways: Vec<GatewayResult>,
}

/// One gateway's part.
#[derive(Debug, Serialize)]
pub(super) struct GatewayResult {
    pub(super) name: &'static str,
    pub(super) version: Option<String>,
    /// What it took part in.
    #[serde(flatten)]
    pub(super) part: TookPart,
}

/// Whether a gateway took part.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TookPart {
    /// It did, and this was met.
    Replayed(Box<Met>),
    /// It did not, and why.
    Absent(String),
}

/// What was met at a gateway.
#[derive(Debug, Serialize)]
pub(super) struct Met {
    pub(super) cost: Cost,
    pub(super) why: String,
    /// Why it did not come back after it was killed, if it did not.
    pub(super) not_back: Option<String>,
    /// Who could not sign in before, and why.
    pub(super) not_signed_in: Option<String>,
    pub(super) ledger: Ledger,
}

/// The numbers that matter. All of them should be nought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Cost {
    /// Displays that erased themselves, and wait for a person to type their PIN.
    pub(super) wiped: usize,
    /// Displays that erased themselves, and have no PIN either.
    pub(super) stuck: usize,
    /// People who were signed out.
    pub(super) signed_out: usize,
    /// Clients that lost nothing and are not served at the end; not known if the end was not reached.
    pub(super) lost: Option<usize>,
    /// Intruders who got a calendar.
    pub(super) wrongly_admitted: usize,
}

impl GatewayResult {
    /// What was met at `stand`, of which nothing more happens. `is_over`: the end was reached.
    pub(super) fn of(name: &'static str, version: Option<String>, stand: &Stand, is_over: bool) -> Self {
        let ledger = std::mem::take(&mut *stand.scene.ledger());
        let not_back = stand.not_back();
        let met = Met {
            cost: Cost::of(&ledger, is_over),
            why: why::sentence(&ledger, not_back.is_some(), is_over),
            not_back,
            not_signed_in: stand.not_signed_in.clone(),
            ledger,
        };
        Self { name, version, part: TookPart::Replayed(Box::new(met)) }
    }

    /// A gateway that took no part.
    pub(super) fn absent(name: &'static str, version: Option<String>, why: String) -> Self {
        Self { name, version, part: TookPart::Absent(why) }
    }
}

impl Cost {
    /// Displays that erased themselves, whatever came of it.
    pub(super) fn erased(&self) -> usize {
        self.wiped + self.stuck
    }

    /// Whether nobody lost anything, and nobody was let in who should not have been.
    pub(super) fn is_nothing(&self) -> bool {
        let Self { wiped, stuck, signed_out, lost, wrongly_admitted } = *self;
        [wiped, stuck, signed_out, lost.unwrap_or(0), wrongly_admitted].iter().all(|count| *count == 0)
    }

    pub(super) fn of(ledger: &Ledger, is_over: bool) -> Self {
        Self {
            wiped: ledger.displays_that_are(Display::AtPin),
            // Who still asks for a PIN at the end has none.
            stuck: ledger.displays_that_are(Display::Stuck) + ledger.displays_that_are(Display::Authenticating),
            signed_out: ledger.count_of(|loss| loss.what == Lost::Session),
            lost: is_over.then(|| ledger.left_behind().len()),
            wrongly_admitted: ledger.count_of(|loss| loss.what == Lost::Calendar),
        }
    }
}

impl GatewayResult {
    /// What was met there, if it took part.
    pub(super) fn met(&self) -> Option<&Met> {
        match &self.part {
            TookPart::Replayed(met) => Some(met),
            TookPart::Absent(_) => None,
        }
    }

    /// Whether it is the one that this project is about.
    pub(super) fn is_ours(&self) -> bool {
        self.name == "Candor"
    }

    /// The sentence about it: why it lost what it lost, or why it took no part.
    pub(super) fn why(&self) -> String {
        match &self.part {
            TookPart::Absent(why) => why.clone(),
            TookPart::Replayed(met) => {
                let further = [met.not_back.as_ref(), met.not_signed_in.as_ref()].into_iter().flatten();
                further.fold(met.why.clone(), |said, more| format!("{said} ({more})"))
            }
        }
    }
}
