//! Messages and statuses of calls that fail; panics end here.

use super::Status;
use crate::hosted::HostError;
use crate::panic_message;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Why a call fails.
#[derive(Debug)]
pub(super) struct Failure {
    status: Status,
    message: String,
}

impl Failure {
    pub(super) fn argument(message: String) -> Self {
        Failure { status: Status::BadArgument, message }
    }

    pub(super) fn null(name: &str) -> Self {
        Self::argument(format!("{name} is NULL"))
    }

    pub(super) fn list(message: String) -> Self {
        Failure { status: Status::BadList, message }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let status = match error {
            HostError::UnknownBuiltin { .. } | HostError::Model(_) | HostError::Committee(_) => {
                Status::BadModel
            }
            HostError::UnknownSpecies { .. } | HostError::UnmappedType { .. } => Status::BadType,
            HostError::Centre { .. }
            | HostError::CentreTwice { .. }
            | HostError::Neighbor { .. }
            | HostError::TooManyAtoms { .. }
            | HostError::NoNeighbors { .. }
            | HostError::StaleList => Status::BadList,
            HostError::NotFinite { .. } | HostError::Position { .. } => Status::NotFinite,
            HostError::Threads(_) | HostError::Potential(_) => Status::Internal,
        };
        Failure { status, message: error.to_string() }
    }
}

/// Carries a call out; whatever goes wrong becomes a status, with a message for later.
pub(super) fn guard(call: impl FnOnce() -> Result<(), Failure>) -> Status {
    // a model that was left in the middle is only looked at by calls that start anew
    let failure = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let message = format!("a fault inside vitrion: {}", panic_message(&*panic));
            Failure { status: Status::Internal, message }
        }
    };
    let text = failure.message.replace('\0', " ");
    LAST.set(CString::new(text).expect("its zeros were replaced"));
    failure.status
}

pub(super) fn last_error() -> *const c_char {
    LAST.with_borrow(|message| message.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn panics_become_a_status_and_a_message() {
        let status = guard(|| panic!("row {} is odd", 7));
        assert_eq!(status, Status::Internal);
        // SAFETY: a string of this thread, and no call in between
        #[expect(unsafe_code, reason = "what C would do")]
        let text = unsafe { CStr::from_ptr(last_error()) };
        assert_eq!(text.to_str(), Ok("a fault inside vitrion: row 7 is odd"));
    }
}
