//! What certbound is measured against.
//!
//! `serve ADDRESS FILE`: a bare hyper server that reads each request whole and answers 200 with the octets of
//! that file, as JSON. `sign SECONDS`: how many ES256 signatures one core makes.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", address, file] => serve(address, Bytes::from(std::fs::read(file)?)),
        ["sign", seconds] => sign(Duration::from_secs(seconds.parse()?)),
        _ => Err("write serve ADDRESS FILE, or sign SECONDS".into()),
    }
}

fn serve(address: &str, body: Bytes) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let body = body.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request: Request<Incoming>| {
                    let body = body.clone();
                    async move {
                        // What an honest server does, too: the request is read before it is answered.
                        drop(request.into_body().collect().await);
                        let mut response = Response::new(Full::new(body));
                        let headers = response.headers_mut();
                        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                        Ok::<_, Infallible>(response)
                    }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), answer);
                // A load generator that goes away is no fault.
                drop(connection.await);
            });
        }
    })
}

fn sign(time: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| "no key")?;
    let (entropy, message) = (SystemRandom::new(), [7; 400]);
    let (began, mut made) = (Instant::now(), 0_u64);
    while began.elapsed() < time {
        for _ in 0..100 {
            key.sign(&entropy, &message).map_err(|_| "no signature")?;
        }
        made += 100;
    }
    println!("{:.3}", began.elapsed().as_secs_f64() * 1e6 / made as f64);
    Ok(())
}
