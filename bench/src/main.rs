//! What certbound is measured against, and what it is measured with where wrk does not do.
//!
//! - `serve ADDRESS FILE [sign|verify]`: a bare hyper server that reads each request whole and answers 200 with the octets
//!   of that file, as JSON, after making or checking an ES256 signature where that is asked for. The address is IP:PORT or
//!   unix:PATH.
//! - `sign SECONDS ES256|RS256`, `verify SECONDS`: microseconds that one signature, or one check of an ES256
//!   signature, takes a core.
//! - `stalls SECONDS`: how often the machine stands still (`stalls.rs`).
//! - `certificates NUMBER CA FILE`: a CA into one file, and into the other the headers of that many clients.
//! - `load ADDRESS FILE …`: the requests of that file, at a steady rate or each of them once (`load.rs`).

mod certificates;
mod crypto;
mod load;
mod serve;
mod stalls;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", address, file, deed @ ..] => {
            let deed = match deed {
                [] => None,
                ["sign"] => Some(crypto::signing()?),
                ["verify"] => Some(crypto::verifying()?),
                _ => return Err("serve does nothing but sign or verify".into()),
            };
            serve::serve(address, std::fs::read(file)?.into(), deed)
        }
        ["sign", seconds, algorithm] => crypto::sign(seconds.parse()?, algorithm),
        ["verify", seconds] => crypto::verify(seconds.parse()?),
        ["stalls", seconds] => stalls::count(seconds.parse()?),
        ["certificates", number, authority, file] => {
            certificates::write(number.parse()?, authority, file)
        }
        ["load", address, file, options @ ..] => load::load(address, file, options),
        _ => Err("write serve, sign, verify, stalls, certificates or load".into()),
    }
}
