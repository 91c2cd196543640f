//! The endpoints that people meet: `authorize`, `logout`, `userinfo`, `par`, and what their pages load.

mod assets;
mod authorize;
mod automatic;
mod backchannel;
mod browser;
mod form;
mod hashing;
mod interaction;
mod issue;
mod logout;
mod pages;
mod par;
mod pushed;
mod session;
mod sign_in;
mod userinfo;

pub(super) use assets::{SCRIPT, STYLESHEET};
pub(super) use authorize::Authorize;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use crate::outbound::fetch::Outbound;
use crate::page::Pages;

pub use backchannel::{Farewell, farewells};
pub(super) use browser::show;
use hashing::Hashing;
pub(super) use logout::Logout;
pub(super) use par::Par;
pub(super) use userinfo::Userinfo;

/// What only people need.
#[derive(Debug)]
pub struct People {
    /// What they see.
    pub pages: ArcSwap<Pages>,
    /// Places for those whose passwords are being hashed: each takes a core and its memory for a while.
    hashing: Hashing,
    /// Calls clients that want to be told of a logout.
    outbound: Outbound,
    /// Who is to be told.
    farewells: mpsc::Sender<Farewell>,
}

impl People {
    /// With those pages, and what is to be told to clients, for [`farewells`] to do.
    pub fn new(pages: Pages, outbound: Outbound) -> (Self, mpsc::Receiver<Farewell>) {
        let places = std::thread::available_parallelism().map_or(1, usize::from);
        let (sender, receiver) = mpsc::channel(backchannel::WAITING);
        let people = Self {
            pages: ArcSwap::new(Arc::new(pages)),
            hashing: Hashing::new(places),
            outbound,
            farewells: sender,
        };
        (people, receiver)
    }
}
