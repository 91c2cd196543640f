//! What the crypto library takes for one signature, and for checking one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    ParsedPublicKey, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustix::time::{ClockId, clock_gettime};

use super::Outcome;

/// What a server does for each answer, whose octets it is given.
pub type Deed = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// About as long as a token's header and claims.
const MESSAGE: [u8; 400] = [7; 400];

/// Signs for that many seconds.
pub fn sign(seconds: u64, algorithm: &str) -> Outcome {
    let entropy = SystemRandom::new();
    match algorithm {
        "ES256" => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            repeat(seconds, || {
                key.sign(&entropy, &MESSAGE)?;
                Ok(())
            })
        }
        "RS256" => {
            let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let mut signature = vec![0; key.public_modulus_len()];
            repeat(seconds, || {
                Ok(key.sign(&RSA_PKCS1_SHA256, &entropy, &MESSAGE, &mut signature)?)
            })
        }
        _ => Err("sign by ES256 or RS256".into()),
    }
}

/// Signs the octets by ES256, and forgets the signature.
pub fn signing() -> Outcome<Deed> {
    let entropy = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    Ok(Arc::new(move |octets| {
        key.sign(&entropy, octets)
            .expect("the key is good for any octets");
    }))
}

/// Checks ES256 signatures for that many seconds.
pub fn verify(seconds: u64) -> Outcome {
    let deed = verifying()?;
    repeat(seconds, || {
        deed(&MESSAGE);
        Ok(())
    })
}

/// Checks an ES256 signature, whatever the octets. There are many of them: the processor learns the way through the
/// check of one by heart, which is never the same for two.
pub fn verifying() -> Outcome<Deed> {
    let (entropy, key) = (
        SystemRandom::new(),
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
    );
    let signatures: Vec<_> = (0..4096)
        .map(|_| key.sign(&entropy, &MESSAGE))
        .collect::<Result<_, _>>()?;
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref())?;
    let next = AtomicUsize::new(0);
    Ok(Arc::new(move |_| {
        let next = next.fetch_add(1, Ordering::Relaxed);
        key.verify_sig(&MESSAGE, signatures[next % signatures.len()].as_ref())
            .expect("the signature is the key's");
    }))
}

fn repeat(seconds: u64, mut once: impl FnMut() -> Outcome) -> Outcome {
    let (began, mut done) = (spent(), 0_u32);
    while spent() - began < Duration::from_secs(seconds) {
        for _ in 0..20 {
            once()?;
        }
        done += 20;
    }
    let each = (spent() - began).as_secs_f64() * 1e6 / f64::from(done);
    println!("{each:.3}");
    Ok(())
}

/// CPU time, so that it does not count when somebody else has the core.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a clock that has not run backwards")
}
