//! Lists of devices as CSV (RFC 4180): what an import may say, and what an export writes.
//!
//! Spreadsheets run what begins with `=`, `+`, `-` or `@`. An import with such a field is refused, and an export puts an
//! apostrophe before it. All that is wrong with a file is said at once, each with its line.

use std::collections::HashMap;

use auth_core::device::registry::{NotADeviceKey, PublicKey};
use csv::{ReaderBuilder, Trim, WriterBuilder};
use serde_json::Value;

use crate::server::control::fleet::{ListedDevice, MOST_IMPORTED};

/// The columns of an import, in any order; `model` and `jwk` may be left out.
const COLUMNS: [&str; 5] = ["hardware_id", "model", "tenant", "room", "jwk"];
/// The columns of an export.
const EXPORTED: [&str; 11] = [
    "id",
    "hardware_id",
    "model",
    "app_version",
    "tenant",
    "room",
    "state",
    "generation",
    "first_seen",
    "last_seen",
    "last_address",
];
/// The longest field, in characters.
const LONGEST: usize = 128;

/// The devices that `text` lists, each with its line.
///
/// # Errors
/// Everything that is wrong with it, each with its line.
pub(super) fn read(text: &str) -> Result<Vec<(u64, ListedDevice)>, Vec<String>> {
    // Lines are counted by `\n`, and a `\r` before it would be counted with the line after.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|fault| vec![format!("1: {fault}")])?.clone();
    let wrong = wrong_columns(&header);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let place = |column: &str| header.iter().position(|found| found == column);
    let (mut devices, mut problems, mut seen, mut keys) = (Vec::new(), Vec::new(), HashMap::new(), HashMap::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(fault) => {
                let line = fault.position().map_or(0, csv::Position::line);
                problems.push(format!("{line}: it is not CSV: {fault}"));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            problems.push(format!("{line}: {} fields, and the header has {}", record.len(), header.len()));
            continue;
        }
        let field = |column: &str| place(column).and_then(|at| record.get(at)).unwrap_or_default().to_owned();
        let [hardware_id, model, tenant, room, jwk] = COLUMNS.map(field);
        let jwk = Some(jwk).filter(|jwk| !jwk.is_empty());
        let device = ListedDevice { hardware_id, model, tenant, room, jwk };
        let before = problems.len();
        problems.extend(wrong_fields(&device).into_iter().map(|what| format!("{line}: {what}")));
        if let Some(first) = seen.insert(device.hardware_id.clone(), line) {
            problems.push(format!("{line}: hardware_id {:?} stands in line {first} already", device.hardware_id));
        }
        if let Some(first) = key_of(&device).and_then(|key| keys.insert(key, line)) {
            problems.push(format!("{line}: its jwk stands in line {first} already"));
        }
        if problems.len() == before {
            devices.push((line, device));
        }
    }
    if devices.is_empty() && problems.is_empty() {
        problems.push("1: it lists no device".to_owned());
    }
    if devices.len() > MOST_IMPORTED {
        problems.push(format!("1: {} devices; at most {MOST_IMPORTED} a file", devices.len()));
    }
    if problems.is_empty() { Ok(devices) } else { Err(problems) }
}

fn wrong_columns(header: &csv::StringRecord) -> Vec<String> {
    let unknown = header.iter().filter(|found| !COLUMNS.contains(found));
    let mut wrong: Vec<_> = unknown
        .map(|found| format!("1: there is no column {found:?}: the columns are {}", COLUMNS.join(", ")))
        .collect();
    for column in COLUMNS {
        match header.iter().filter(|found| *found == column).count() {
            0 if !["model", "jwk"].contains(&column) => wrong.push(format!("1: the column {column} is missing")),
            0 | 1 => {}
            _ => wrong.push(format!("1: the column {column} is there twice")),
        }
    }
    wrong
}

/// What is wrong with what an operator writes of a device.
pub(super) fn wrong_fields(device: &ListedDevice) -> Vec<String> {
    let ListedDevice { hardware_id, model, tenant, room, jwk } = device;
    let mut wrong = Vec::new();
    for (column, field) in COLUMNS.into_iter().zip([hardware_id, model, tenant, room]) {
        if field.is_empty() && column != "model" {
            wrong.push(format!("{column} is empty"));
        } else if field.chars().count() > LONGEST {
            wrong.push(format!("{column} has more than {LONGEST} characters"));
        } else if field.chars().any(char::is_control) {
            wrong.push(format!("{column} holds a control character"));
        } else if is_formula(field) {
            wrong.push(format!("{column} begins like a formula: {field:?}"));
        }
    }
    if jwk.is_some() && key_of(device).is_none() {
        wrong.push(format!("jwk: {NotADeviceKey}"));
    }
    wrong
}

/// Its key, in the one way of writing it.
fn key_of(device: &ListedDevice) -> Option<String> {
    device.jwk.as_ref()?.parse().ok().map(|key: PublicKey| key.jwk)
}

/// Whether a spreadsheet would run it.
fn is_formula(field: &str) -> bool {
    field.starts_with(['=', '+', '-', '@'])
}

/// The first line of an export.
pub(super) fn header() -> String {
    line(EXPORTED.iter().map(|column| (*column).to_owned()))
}

/// The lines of a device, one for each tenant that it is or was in.
pub(super) fn lines(device: &Value) -> String {
    let nowhere = [Value::Null];
    let bindings =
        device["bindings"].as_array().filter(|bindings| !bindings.is_empty()).map_or(&nowhere[..], |all| all);
    let lines = bindings.iter().map(|binding| {
        let field = |column: &str| match column {
            "tenant" | "room" | "state" | "generation" => shown(&binding[column]),
            "first_seen" | "last_seen" => super::device::moment(&device[column]),
            _ => shown(&device[column]),
        };
        line(EXPORTED.iter().map(|column| harmless(field(column))))
    });
    lines.collect()
}

fn harmless(field: String) -> String {
    if is_formula(&field) || field.starts_with(['\t', '\r']) { format!("'{field}") } else { field }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_record(fields);
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(text).expect_err("it is wrong")
    }

    #[test]
    fn a_list_is_read_whatever_the_order_of_its_columns() {
        let text = "\u{feff}room,hardware_id,tenant\r\n\"Room, big\",SN-1,acme\r\n4.12,SN-2, acme \r\n";
        let devices = read(text).expect("it is a list");
        let device = |hardware_id: &str, room: &str| ListedDevice {
            hardware_id: hardware_id.to_owned(),
            model: String::new(),
            tenant: "acme".to_owned(),
            room: room.to_owned(),
            jwk: None,
        };
        assert_eq!(devices, [(2, device("SN-1", "Room, big")), (3, device("SN-2", "4.12"))]);
    }

    #[test]
    fn everything_wrong_is_said_with_its_line() {
        let text = "hardware_id,model,tenant,room\nSN-1,m,acme,=cmd|'/c calc'!A1\nSN-2,m,,r\nSN-2,m,acme,r\nSN-3,m\n\
                    SN-4,@m,acme,-1\n";
        assert_eq!(
            problems(text),
            [
                "2: room begins like a formula: \"=cmd|'/c calc'!A1\"",
                "3: tenant is empty",
                "4: hardware_id \"SN-2\" stands in line 3 already",
                "5: 2 fields, and the header has 4",
                "6: model begins like a formula: \"@m\"",
                "6: room begins like a formula: \"-1\"",
            ]
        );
        assert_eq!(
            problems("hardware_id,tenant,rooms\n"),
            [
                "1: there is no column \"rooms\": the columns are hardware_id, model, tenant, room, jwk",
                "1: the column room is missing"
            ]
        );
        assert_eq!(
            problems(""),
            [
                "1: the column hardware_id is missing",
                "1: the column tenant is missing",
                "1: the column room is missing"
            ]
        );
        assert_eq!(problems("hardware_id,tenant,room\n"), ["1: it lists no device"]);
        let long = format!("hardware_id,tenant,room\n{},a,b\nx\u{7}y,a,b\n", "x".repeat(129));
        assert_eq!(
            problems(&long),
            ["2: hardware_id has more than 128 characters", "3: hardware_id holds a control character"]
        );
    }

    #[test]
    fn keys_are_public_and_each_is_one_devices() {
        // RFC 8037, appendix A.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let line = |serial: &str, jwk: String| format!("{serial},acme,r,\"{}\"\n", jwk.replace('"', "\"\""));
        let good = |serial: &str| line(serial, format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#));
        let header = "hardware_id,tenant,room,jwk\n";
        let devices = read(&format!("{header}{}SN-2,acme,r,\n", good("SN-1"))).expect("it is a list");
        let keys: Vec<bool> = devices.iter().map(|(_, device)| device.jwk.is_some()).collect();
        assert_eq!(keys, [true, false]);
        let private = line("SN-3", format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{x}","x":"{x}"}}"#));
        let text = format!("{header}{}{}{private}SN-4,acme,r,{x}\n", good("SN-1"), good("SN-2"));
        let no_key = "it must be a public key, Ed25519 or P-256, as a JWK";
        assert_eq!(
            problems(&text),
            [
                "3: its jwk stands in line 2 already".to_owned(),
                format!("4: jwk: {no_key}"),
                format!("5: jwk: {no_key}"),
            ]
        );
    }

    #[test]
    fn an_export_runs_nothing_in_a_spreadsheet() {
        let device = json!({
            "id": "0197", "hardware_id": "=1+1", "model": "+m", "app_version": "@x", "first_seen": 0, "last_seen": null,
            "last_address": null,
            "bindings": [{"tenant": "acme", "room": "-1, left", "state": "active", "generation": 2}],
        });
        assert_eq!(lines(&device), "0197,'=1+1,'+m,'@x,acme,\"'-1, left\",active,2,1970-01-01T00:00:00Z,,\n");
        assert_eq!(header().trim().split(',').count(), lines(&device).trim().split(',').count() - 1);
    }
}
