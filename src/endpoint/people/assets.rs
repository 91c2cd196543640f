//! What the pages load: a stylesheet, and the script that posts a form by itself.

use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};

use crate::endpoint::{Answer, Endpoint, Reply, Request, Server};
use crate::page::Pages;

/// The stylesheet of every page.
pub(in crate::endpoint) struct Stylesheet;

/// The one script.
pub(in crate::endpoint) struct Script;

impl Endpoint for Stylesheet {
    fn name(&self) -> &'static str {
        "pages/style.css"
    }

    fn metadata(&self) -> Option<&'static str> {
        None
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::GET, Method::HEAD]
    }

    fn is_open_to_any_origin(&self) -> bool {
        false
    }

    fn serve<'a>(&self, server: &'a Server, _request: &'a Request) -> Answer<'a> {
        let text = server.people.pages.load().stylesheet().to_owned();
        Box::pin(std::future::ready(Ok(file(
            "text/css; charset=utf-8",
            text,
        ))))
    }
}

impl Endpoint for Script {
    fn name(&self) -> &'static str {
        "pages/submit.js"
    }

    fn metadata(&self) -> Option<&'static str> {
        None
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::GET, Method::HEAD]
    }

    fn is_open_to_any_origin(&self) -> bool {
        false
    }

    fn serve<'a>(&self, _server: &'a Server, _request: &'a Request) -> Answer<'a> {
        let text = Pages::SCRIPT.to_owned();
        Box::pin(std::future::ready(Ok(file(
            "text/javascript; charset=utf-8",
            text,
        ))))
    }
}

/// A file that browsers may keep: its address changes with its content.
fn file(content_type: &'static str, text: String) -> Reply {
    let mut reply = Reply::new(StatusCode::OK, content_type, text);
    reply
        .headers
        .retain(|(name, _)| name == http::header::CONTENT_TYPE);
    reply.with(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=86400"),
    )
}
