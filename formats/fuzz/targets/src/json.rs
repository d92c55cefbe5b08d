//! Strict JSON and its canonical form (`sysext_formats::json`, `::canonical`).
//!
//! - Accepted is exactly what another reading finds to be JSON without a member twice, without floats and with at most
//!   64 levels; and both readings see the same values.
//! - The canonical form does not depend on how the text was written, and the canonical form of the canonical form is
//!   itself. (It leaves control characters bare, which JSON does not allow: they are escaped before it is read again.)

use serde_json::Value;
use sysext_formats::{canonical, json};

use crate::loose::Loose;

/// The invariant above, for any bytes.
pub fn check(data: &[u8]) -> bool {
    let loose = serde_json::from_slice::<Loose>(data);
    let value = match (json::parse(data), loose) {
        (Ok(value), Ok(loose)) => {
            assert!(loose.is_strict(), "accepted, and not strict");
            assert!(loose.agrees(&value), "read differently: {value}");
            value
        }
        (Ok(_), Err(error)) => panic!("accepted, and no JSON: {error}"),
        (Err(error), Ok(loose)) => {
            assert!(!loose.is_strict(), "strict, and refused: {error}");
            return false;
        }
        (Err(_), Err(_)) => return false,
    };
    let form = canonical::encode(&value).expect("what was parsed has a canonical form");
    assert_eq!(
        reread(&form),
        value,
        "the canonical form says something else"
    );
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    for text in [&pretty, &escaped(&form)] {
        let again = canonical::encode(&json::parse(text).unwrap()).unwrap();
        assert_eq!(again, form, "two canonical forms of one value");
    }
    true
}

fn reread(form: &[u8]) -> Value {
    json::parse(&escaped(form)).expect("a canonical form is strict JSON once it is escaped")
}

fn escaped(form: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in form {
        if *byte < b' ' {
            text.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            text.push(*byte);
        }
    }
    text
}
