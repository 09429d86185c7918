//! An issuer of tokens that signs by every algorithm that is taken, and publishes its keys.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, UNIX_EPOCH},
};

use auth_core::{
    Clock, Now,
    jws::{Algorithm, SigningKey},
};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use crate::stand::StandFault;

/// Whom the access tokens are for.
pub(crate) const AUDIENCE: &str = "api://monolith";

/// The issuer's keys, one of each kind.
pub(crate) struct TokenIssuer {
    address: SocketAddr,
    rsa: KeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: SigningKey,
}

impl TokenIssuer {
    /// Makes the keys, and publishes them on loopback for as long as the program runs.
    pub(crate) fn start(clock: Clock) -> Result<Self, StandFault> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let ec = |algorithm: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::generate(algorithm);
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?;
        let issuer = Self {
            address: listener.local_addr()?,
            rsa: KeyPair::generate(KeySize::Rsa2048)?,
            p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING)?,
            ed25519: SigningKey::from_pkcs8("ed25519", ed25519.as_ref())?,
        };
        let keys = issuer.published().to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (keys, clock) = (keys.clone(), clock.clone());
                // Who leaves before the answer needs none.
                thread::spawn(move || publish(&stream, &keys, &clock));
            }
        });
        Ok(issuer)
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Claims of an access token for a program, issued an hour ago, with `left` seconds to live (or over for as long).
    pub(crate) fn access_claims(&self, now: Now, left: i64) -> Value {
        let now = now.wall().as_secs();
        json!({
            "iss": self.name(), "aud": AUDIENCE, "sub": "program-17", "client_id": "program-17", "scope": "orders:read",
            "jti": "fT3mJx1QKq0n2V8yZ4bWcg", "iat": now - 3600, "nbf": now - 3600, "exp": now + left,
        })
    }

    /// Signs `claims` by `algorithm`.
    pub(crate) fn sign(&self, algorithm: Algorithm, typ: &str, claims: &Value) -> Result<String, StandFault> {
        match algorithm {
            Algorithm::Rs256 => rsa(&self.rsa, algorithm, &RSA_PKCS1_SHA256, typ, claims),
            Algorithm::Rs384 => rsa(&self.rsa, algorithm, &RSA_PKCS1_SHA384, typ, claims),
            Algorithm::Rs512 => rsa(&self.rsa, algorithm, &RSA_PKCS1_SHA512, typ, claims),
            Algorithm::Ps256 => rsa(&self.rsa, algorithm, &RSA_PSS_SHA256, typ, claims),
            Algorithm::Ps384 => rsa(&self.rsa, algorithm, &RSA_PSS_SHA384, typ, claims),
            Algorithm::Ps512 => rsa(&self.rsa, algorithm, &RSA_PSS_SHA512, typ, claims),
            Algorithm::Es256 => ecdsa(&self.p256, algorithm, "p256", typ, claims),
            Algorithm::Es384 => ecdsa(&self.p384, algorithm, "p384", typ, claims),
            Algorithm::EdDsa => Ok(self.ed25519.sign(typ, claims)?),
        }
    }

    /// An RS256 token by a key of nobody's, under the name of the issuer's.
    pub(crate) fn forge(claims: &Value) -> Result<String, StandFault> {
        let stranger = KeyPair::generate(KeySize::Rsa2048)?;
        rsa(&stranger, Algorithm::Rs256, &RSA_PKCS1_SHA256, "at+jwt", claims)
    }

    fn published(&self) -> Value {
        let rsa = self.rsa.public_key();
        let ec = |kid: &str, curve: &str, key: &EcdsaKeyPair| {
            // An uncompressed point (SEC 1 §2.3.3): 4, x, y.
            let point = &key.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({ "kty": "EC", "kid": kid, "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y) })
        };
        json!({ "keys": [
            {
                "kty": "RSA", "kid": "rsa",
                "n": BASE64.encode(rsa.modulus().big_endian_without_leading_zero()),
                "e": BASE64.encode(rsa.exponent().big_endian_without_leading_zero()),
            },
            ec("p256", "P-256", &self.p256),
            ec("p384", "P-384", &self.p384),
            self.ed25519.public_jwk(),
        ] })
    }
}

fn publish(mut stream: &TcpStream, keys: &str, clock: &Clock) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        if line == "\r\n" {
            let date = Duration::from_millis(clock.now().wall().as_millis().unsigned_abs());
            let (date, length) = (httpdate::fmt_http_date(UNIX_EPOCH + date), keys.len());
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{keys}"
            )?;
        }
        line.clear();
    }
    Ok(())
}

fn to_be_signed(algorithm: Algorithm, kid: &str, typ: &str, claims: &Value) -> String {
    let header = json!({ "alg": algorithm.as_str(), "kid": kid, "typ": typ });
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

fn rsa(
    key: &KeyPair,
    algorithm: Algorithm,
    encoding: &'static dyn RsaEncoding,
    typ: &str,
    claims: &Value,
) -> Result<String, StandFault> {
    let signed = to_be_signed(algorithm, "rsa", typ, claims);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
    Ok(format!("{signed}.{}", BASE64.encode(signature)))
}

fn ecdsa(key: &EcdsaKeyPair, algorithm: Algorithm, kid: &str, typ: &str, claims: &Value) -> Result<String, StandFault> {
    let signed = to_be_signed(algorithm, kid, typ, claims);
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes())?;
    Ok(format!("{signed}.{}", BASE64.encode(signature)))
}
