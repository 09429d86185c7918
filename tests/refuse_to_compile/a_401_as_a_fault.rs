//! Expected: E0599.
//!
//! A fault is nobody's failure to sign in: its statuses have no 401.

use gateway::fault::FaultStatus;

pub fn status() -> FaultStatus {
    #[cfg(misuse)]
    return FaultStatus::Unauthorized;
    #[cfg(not(misuse))]
    return FaultStatus::BadRequest;
}
