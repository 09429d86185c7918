//! Certificates in files that change while they are served.

use std::{fs, path::PathBuf, sync::atomic::AtomicU32};

use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};

use rustls::pki_types::CertificateDer;

use super::*;

/// A folder of its own, removed with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate with its key, PEM.
struct Made {
    certificate: String,
    key: String,
}

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn folder() -> Folder {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("candor-certificates-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    Folder(folder)
}

fn made(names: &[&str], until: i32) -> Made {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("good names");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.self_signed(&key).expect("it signs itself");
    Made { certificate: pem(certificate.der()), key: key_pem(&key) }
}

fn pem(der: &[u8]) -> String {
    armoured("CERTIFICATE", der)
}

fn key_pem(key: &KeyPair) -> String {
    armoured("PRIVATE KEY", &key.serialize_der())
}

fn armoured(label: &str, der: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

impl Folder {
    fn put(&self, name: &str, made: &Made) -> CertificateFiles {
        let files = CertificateFiles {
            certificate: self.0.join(format!("{name}.pem")),
            key: self.0.join(format!("{name}.key")),
        };
        fs::write(&files.certificate, &made.certificate).expect("a file can be written");
        fs::write(&files.key, &made.key).expect("a file can be written");
        files
    }
}

/// Whom the certificate that is served to who asks for `name` is for.
fn served(certificates: &Certificates, name: Option<&str>) -> String {
    let served = certificates.served.find(name).expect("there is always one");
    Metadata::read(&served.cert).expect("it was read before").subjects()
}

#[test]
fn a_name_leads_to_its_certificate_and_every_other_to_the_first() {
    let folder = folder();
    let files = [
        folder.put("one", &made(&["one.example", "10.1.2.3"], 2100)),
        folder.put("two", &made(&["two.example", "*.wild.example"], 2100)),
    ];
    let certificates = Certificates::read(&files, NOW).expect("they are good");
    let check = |name, expected| assert_eq!(served(&certificates, name), expected, "{name:?}");
    check(None, "one.example, 10.1.2.3");
    check(Some("ONE.example"), "one.example, 10.1.2.3");
    check(Some("two.example"), "two.example, *.wild.example");
    check(Some("a.wild.example"), "two.example, *.wild.example");
    check(Some("a.b.wild.example"), "one.example, 10.1.2.3");
    check(Some("wild.example"), "one.example, 10.1.2.3");
    check(Some("stranger.example"), "one.example, 10.1.2.3");
}

#[test]
fn what_is_good_is_taken_and_what_is_not_leaves_the_one_before() {
    let folder = folder();
    let (old, new) = (made(&["old.example"], 2100), made(&["new.example"], 2100));
    let files = [folder.put("it", &old)];
    let certificates = Certificates::read(&files, NOW).expect("it is good");
    let look = |expected: &str| {
        certificates.look(NOW);
        assert_eq!(served(&certificates, None), expected);
    };
    look("old.example");
    // Half of a replacement.
    fs::write(&files[0].certificate, &new.certificate).expect("a file can be written");
    look("old.example");
    fs::write(&files[0].key, &new.key).expect("a file can be written");
    look("new.example");
    for bad in ["garbage", ""] {
        fs::write(&files[0].certificate, bad).expect("a file can be written");
        for _ in 0..3 {
            look("new.example");
        }
    }
    fs::remove_file(&files[0].certificate).expect("a file can be removed");
    look("new.example");
    look("new.example");
    folder.put("it", &old);
    look("old.example");
}

#[test]
fn a_fault_is_said_once_it_is_seen_twice_and_once_only() {
    let folder = folder();
    let files = [folder.put("it", &made(&["old.example"], 2100))];
    let certificates = Certificates::read(&files, NOW).expect("it is good");
    let state = || {
        let entries = lock(&certificates.entries);
        (entries[0].suspected.is_some(), entries[0].refused.is_some())
    };
    fs::write(&files[0].key, made(&["x.example"], 2100).key).expect("a file can be written");
    for expected in [(true, false), (false, true), (false, true)] {
        certificates.look(NOW);
        assert_eq!(state(), expected);
    }
}

#[test]
fn what_is_wrong_with_files_is_said_in_words() {
    let folder = folder();
    let good = made(&["a.example"], 2100);
    let check = |certificate: &str, key: &str, expected: &str| {
        let files = folder.put("it", &Made { certificate: certificate.to_owned(), key: key.to_owned() });
        let fault = files.read().expect_err("it is not good").to_string();
        assert!(fault.contains(expected), "{fault}");
    };
    check("", &good.key, "holds no certificate in PEM");
    check(&good.key, &good.key, "holds no certificate in PEM");
    check(&armoured("CERTIFICATE", b"nonsense"), &good.key, "cannot be understood");
    check(&good.certificate, "", "holds no private key in PEM");
    check(&good.certificate, &armoured("ENCRYPTED PRIVATE KEY", b"x"), "under a passphrase");
    check(&good.certificate, &armoured("PRIVATE KEY", b"nonsense"), "holds a key that cannot be used");
    check(&good.certificate, &made(&["a.example"], 2100).key, "is not that of the certificate");
    let missing = CertificateFiles { certificate: folder.0.join("no.pem"), key: folder.0.join("no.key") };
    assert!(missing.read().expect_err("it is not there").to_string().contains("cannot be read"));
}

#[test]
fn a_certificate_that_has_expired_is_served() {
    let folder = folder();
    let files = [folder.put("it", &made(&["old.example"], 2021))];
    let certificates = Certificates::read(&files, NOW).expect("it is good");
    assert_eq!(served(&certificates, None), "old.example");
    assert!(lock(&certificates.entries)[0].expiry_said);
}

#[test]
fn the_order_of_a_chain_is_seen() {
    let key = KeyPair::generate().expect("a key can be made");
    let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
    params.distinguished_name.push(rcgen::DnType::CommonName, "Authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("it signs itself").der().clone();
    let own_key = KeyPair::generate().expect("a key can be made");
    let mut own = CertificateParams::new(["a.example".to_owned()]).expect("a good name");
    own.distinguished_name.push(rcgen::DnType::CommonName, "a.example");
    let own = own.signed_by(&own_key, &Issuer::new(params, key)).expect("it signs others").der().clone();
    let in_order = |chain: &[CertificateDer<'static>]| Metadata::read(chain).expect("certificates").in_order;
    assert!(in_order(&[own.clone(), authority.clone()]));
    assert!(in_order(std::slice::from_ref(&own)));
    assert!(!in_order(&[own.clone(), own.clone(), authority]));
}
