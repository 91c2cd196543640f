//! What a client asks of its user, and where the answer may be sent (RFC 6749 section 4.1, OpenID Connect Core section 3).
//!
//! A request is read in two steps. [`Target::of`] finds the client and its redirection URI; whatever is
//! wrong until then is shown on a page of ours and sent nowhere. [`AuthorizationRequest::read`] reads the
//! rest; whatever is wrong there may be sent to the target.

pub mod acr;
pub mod answer;
pub mod claims;
pub mod prompt;
pub mod request;
pub mod request_object;
pub mod step;
pub mod target;

pub use acr::AcrRequest;
pub use answer::Answer;
pub use claims::ClaimsRequest;
pub use prompt::Prompt;
pub use request::{AuthorizationRequest, PARAMETERS, Policy};
pub use target::Target;
