//! What the pages load: a stylesheet, and the script that posts a form by itself.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};

use crate::endpoint::{Answer, Endpoint, Reply, Request, Server};
use crate::page::Pages;

/// A file that pages load.
pub(in crate::endpoint) struct Asset {
    path: &'static str,
    content_type: &'static str,
    text: fn(&Server) -> String,
}

/// The stylesheet of every page.
pub(in crate::endpoint) const STYLESHEET: Asset = Asset {
    path: "pages/style.css",
    content_type: "text/css; charset=utf-8",
    text: |server| server.people.pages.load().stylesheet().to_owned(),
};

/// The one script.
pub(in crate::endpoint) const SCRIPT: Asset = Asset {
    path: "pages/submit.js",
    content_type: "text/javascript; charset=utf-8",
    text: |_| Pages::SCRIPT.to_owned(),
};

impl Endpoint for Asset {
    fn name(&self) -> &'static str {
        self.path
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::GET, Method::HEAD]
    }

    /// Browsers may keep it: its address changes with its content.
    fn serve<'a>(&self, server: &'a Server, _request: &'a Request) -> Answer<'a> {
        let mut reply = Reply::new(StatusCode::OK, self.content_type, (self.text)(server));
        reply.headers.retain(|(name, _)| name == CONTENT_TYPE);
        let kept = HeaderValue::from_static("public, max-age=86400");
        Box::pin(std::future::ready(Ok(reply.with(CACHE_CONTROL, kept))))
    }
}
