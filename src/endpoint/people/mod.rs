//! The endpoints that people meet: `authorize`, `logout`, `userinfo`, `par`, and what their pages load.

mod assets;
mod authorize;
mod backchannel;
mod browser;
mod form;
mod interaction;
mod issue;
mod logout;
mod par;
mod pushed;
mod session;
mod sign_in;
mod userinfo;

pub(super) use assets::{Script, Stylesheet};
pub(super) use authorize::Authorize;
pub(super) use browser::show;
pub(super) use logout::Logout;
pub(super) use par::Par;
pub(super) use userinfo::Userinfo;
