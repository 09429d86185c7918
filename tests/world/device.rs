//! A display that speaks the device protocol to a gateway: its key, its proofs over the gateway's nonces, what it was
//! granted. It decides nothing: what it makes of an answer is the test's to say.

use serde_json::{Value, json};
use url::{Position, Url};

use auth_core::device::proof::ProofTarget;

use crate::{display::DisplayKey, raw};

/// A display before a gateway.
pub struct Device {
    /// Its key.
    pub key: DisplayKey,
    /// The serial number that it states.
    pub hardware_id: String,
    /// What it was granted last.
    pub granted: Option<Value>,
    gateway: Url,
    nonce: Option<String>,
}

/// What a display was told.
#[derive(Clone, Debug)]
pub struct DeviceHeard {
    /// The status; 0, if there was no answer.
    pub status: u16,
    /// The content, if it was JSON.
    pub content: Value,
    head: String,
}

/// One request of a display, to be bent before it is sent.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    /// The method.
    pub method: String,
    /// What follows `device/`.
    pub path: String,
    /// `Content-Type`.
    pub media_type: String,
    /// The content.
    pub content: String,
    /// The field `DPoP`, if it is sent.
    pub proof: Option<String>,
}

impl Device {
    /// A new display, which will speak to the gateway at `gateway`, its public address.
    pub fn new(gateway: &Url, hardware_id: &str) -> Self {
        let (hardware_id, gateway) = (hardware_id.to_owned(), gateway.clone());
        Self { key: DisplayKey::new(), hardware_id, granted: None, gateway, nonce: None }
    }

    /// Its present token.
    ///
    /// # Panics
    /// It has none.
    pub fn token(&self) -> String {
        let granted = self.granted.as_ref().expect("it was granted a token");
        granted["token"].as_str().expect("text").to_owned()
    }

    /// A fresh nonce of the gateway's: the one that its last answer brought, else one that it asks for.
    ///
    /// # Panics
    /// The gateway gives none.
    pub async fn nonce(&mut self) -> String {
        match self.nonce.take() {
            Some(nonce) => nonce,
            None => {
                let heard = self.send(&DeviceRequest::get("nonce")).await;
                self.nonce = None;
                heard.content["nonce"].as_str().unwrap_or_else(|| panic!("a nonce: {heard:?}")).to_owned()
            }
        }
    }

    /// A proof of its key for `POST path`.
    pub async fn proof(&mut self, path: &str) -> String {
        let nonce = self.nonce().await;
        self.proof_over(path, &nonce)
    }

    /// The same over a nonce that may be anything.
    pub fn proof_over(&self, path: &str, nonce: &str) -> String {
        self.key.proof(ProofTarget { method: "POST", url: &self.address(path) }, nonce)
    }

    /// The address of one of its paths, as proofs name it.
    pub fn address(&self, path: &str) -> String {
        let path = format!("/.candor/device/{path}");
        self.gateway.join(&path).expect("an address").to_string()
    }

    /// What it would send to `path`.
    pub async fn request(&mut self, path: &str, content: &Value) -> DeviceRequest {
        let proof = Some(self.proof(path).await);
        let (method, media_type) = ("POST".to_owned(), "application/json".to_owned());
        DeviceRequest { method, path: path.to_owned(), media_type, content: content.to_string(), proof }
    }

    /// Posts `content` to `path`, with a proof.
    pub async fn post(&mut self, path: &str, content: &Value) -> DeviceHeard {
        let request = self.request(path, content).await;
        let mut heard = self.send(&request).await;
        if heard.word() == Some("use-dpop-nonce") {
            let again = self.request(path, content).await;
            heard = self.send(&again).await;
        }
        self.keep(heard)
    }

    /// Sends a request as it is.
    pub async fn send(&mut self, request: &DeviceRequest) -> DeviceHeard {
        let DeviceRequest { method, path, media_type, content, proof } = request;
        let mut fields = String::new();
        if !content.is_empty() {
            fields.push_str(&format!("Content-Type: {media_type}\r\n"));
        }
        if let Some(proof) = proof {
            fields.push_str(&format!("DPoP: {proof}\r\n"));
        }
        let host = &self.gateway[Position::BeforeHost..Position::AfterPort];
        let request = raw::request(method, &format!("/.candor/device/{path}"), host, &fields, content);
        let heard = DeviceHeard::read(&raw::ask(host, request).await.bytes);
        self.nonce = heard.field("dpop-nonce").map(str::to_owned);
        heard
    }

    fn keep(&mut self, heard: DeviceHeard) -> DeviceHeard {
        if heard.status == 200 && heard.content["token"].is_string() {
            self.granted = Some(heard.content.clone());
        }
        heard
    }

    /// Asks for a PIN.
    pub async fn begin(&mut self) -> DeviceHeard {
        let about = json!({"hardware_id": self.hardware_id, "model": "wall-7", "app_version": "4.2"});
        self.post("activations", &about).await
    }

    /// Asks what has become of the activation that `begun` told it of.
    pub async fn poll(&mut self, begun: &Value) -> DeviceHeard {
        let content = json!({"activation_id": begun["activation_id"], "device_code": begun["device_code"]});
        self.post("activations/token", &content).await
    }

    /// Renews its token.
    pub async fn renew(&mut self) -> DeviceHeard {
        let token = self.token();
        self.post("token", &json!({ "token": token })).await
    }

    /// Comes back without a token.
    pub async fn reactivate(&mut self) -> DeviceHeard {
        self.post("reactivations", &json!({})).await
    }

    /// Asks for `path` on the gateway, beyond its own paths, with its token.
    pub async fn ask(&self, path: &str) -> DeviceHeard {
        self.ask_by(&self.token(), path).await
    }

    /// The same, with another token.
    pub async fn ask_by(&self, token: &str, path: &str) -> DeviceHeard {
        let host = &self.gateway[Position::BeforeHost..Position::AfterPort];
        let fields = format!("Authorization: Bearer {token}\r\nAccept: application/json\r\n");
        let request = raw::request("GET", path, host, &fields, "");
        DeviceHeard::read(&raw::ask(host, request).await.bytes)
    }
}

impl DeviceRequest {
    /// A GET of what follows `device/`.
    pub fn get(path: &str) -> Self {
        let (media_type, content) = (String::new(), String::new());
        Self { method: "GET".to_owned(), path: path.to_owned(), media_type, content, proof: None }
    }
}

impl DeviceHeard {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, content) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, content: serde_json::from_str(content).unwrap_or_default(), head: head.to_owned() }
    }

    /// One header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The word of the problem that it is.
    pub fn word(&self) -> Option<&str> {
        self.content["type"].as_str().and_then(|address| address.rsplit('/').next())
    }

    /// Status, the gateway's word and the problem's word.
    pub fn told(&self) -> (u16, &str, Option<&str>) {
        (self.status, self.field("x-gateway-answer").unwrap_or_default(), self.word())
    }
}
