//! Why a command could not do what it was asked to do, and whose business that is.

use std::{io, process::ExitCode};

use crate::target::TargetFault;

/// Why a command ends without a report.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What was asked for makes no sense, or may not be done.
    #[error("{0}")]
    Usage(String),
    /// This program itself could not go on.
    #[error("{0}")]
    Machine(#[from] io::Error),
}

impl Fault {
    /// 2 for wrong usage, 1 for anything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Machine(_) => ExitCode::FAILURE,
        }
    }
}

impl From<TargetFault> for Fault {
    fn from(fault: TargetFault) -> Self {
        Self::Usage(fault.to_string())
    }
}
