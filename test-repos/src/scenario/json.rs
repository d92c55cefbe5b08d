//! Timestamps that are no documents. A timestamp is what every host asks for first; all roles share one parser.

use serde_json::{Value, json};

use super::{Expected, Scenario, Story};

const TIMESTAMP: &str = "metadata/timestamp.json";

pub(super) fn all() -> Vec<Scenario> {
    let mut scenarios = texts();
    scenarios.extend(shapes());
    scenarios
}

fn texts() -> Vec<Scenario> {
    let nested = "[".repeat(10_000);
    vec![
        text("json-empty", "The timestamp is empty.", b""),
        text(
            "json-html",
            "The timestamp is a web page, as captive portals serve them.",
            b"<!DOCTYPE html><title>Log in</title>\n",
        ),
        text(
            "json-cut",
            "The timestamp ends in the middle.",
            br#"{"signatures":[],"signed":{"_type":"timest"#,
        ),
        text(
            "json-deep",
            "The timestamp opens 10,000 lists and closes none.",
            nested.as_bytes(),
        ),
        text(
            "json-duplicate-key",
            "The timestamp has one key twice.",
            br#"{"signatures":[],"signed":{},"signed":{"_type":"timestamp"}}"#,
        ),
        text(
            "json-float",
            "A version is 1.0.",
            br#"{"signatures":[],"signed":{"version":1.0}}"#,
        ),
        text(
            "json-huge-integer",
            "A version is 2^64.",
            br#"{"signatures":[],"signed":{"version":18446744073709551616}}"#,
        ),
        text(
            "json-nul",
            "A NUL follows after the timestamp.",
            b"{\"signatures\":[],\"signed\":{}}\0",
        ),
        text(
            "json-trailing",
            "A second document follows after the timestamp.",
            br#"{"signatures":[],"signed":{}}{}"#,
        ),
        text(
            "json-invalid-utf8",
            "A text in the timestamp is not UTF-8.",
            b"{\"signatures\":[],\"signed\":{\"_type\":\"\xff\xfe\"}}",
        ),
    ]
}

fn text(name: &'static str, story: &'static str, bytes: &[u8]) -> Scenario {
    Story::new(name, story)
        .serves(|catalog| catalog.put(TIMESTAMP, bytes))
        .ends(Expected::Refused {
            role: "timestamp",
            says: "not strict JSON",
        })
}

/// These are signed by the right key.
fn shapes() -> Vec<Scenario> {
    let shape = "not a signed timestamp document";
    vec![
        signed(
            "shape-expires-number",
            "The expiry of the timestamp is a number.",
            shape,
            |signed| {
                signed["expires"] = 1.into();
            },
        ),
        signed(
            "shape-expires-no-date",
            "The timestamp expires on 30 February.",
            shape,
            |signed| {
                signed["expires"] = "2027-02-30T00:00:00Z".into();
            },
        ),
        signed(
            "shape-version-zero",
            "The timestamp has version 0.",
            shape,
            |signed| {
                signed["version"] = 0.into();
            },
        ),
        signed(
            "shape-version-negative",
            "The timestamp has version -1.",
            shape,
            |signed| {
                signed["version"] = (-1).into();
            },
        ),
        signed(
            "shape-no-snapshot",
            "The timestamp names no snapshot.",
            shape,
            |signed| {
                signed["meta"] = json!({});
            },
        ),
        signed(
            "shape-null",
            "The signed part of the timestamp is null.",
            shape,
            |signed| {
                *signed = Value::Null;
            },
        ),
        signed(
            "shape-list",
            "The signed part of the timestamp is a list.",
            shape,
            |signed| {
                *signed = json!([signed.clone()]);
            },
        ),
        signed(
            "shape-of-another-role",
            "The timestamp says that it is a snapshot.",
            "its _type is \"snapshot\"",
            |signed| {
                signed["_type"] = "snapshot".into();
            },
        ),
        signed(
            "shape-of-another-specification",
            "The timestamp follows version 2 of the specification.",
            "its spec_version is \"2.0.0\"",
            |signed| {
                signed["spec_version"] = "2.0.0".into();
            },
        ),
        Story::new(
            "shape-no-signatures",
            "The timestamp has no member for signatures.",
        )
        .serves(|catalog| {
            catalog.tamper(TIMESTAMP, |document| {
                document.as_object_mut().unwrap().remove("signatures");
            });
        })
        .ends(Expected::Refused {
            role: "timestamp",
            says: shape,
        }),
    ]
}

fn signed(
    name: &'static str,
    story: &'static str,
    says: &'static str,
    change: impl FnOnce(&mut Value),
) -> Scenario {
    Story::new(name, story)
        .serves(|catalog| {
            change(catalog.signed_mut("timestamp"));
            catalog.write("timestamp");
        })
        .ends(Expected::Refused {
            role: "timestamp",
            says,
        })
}
