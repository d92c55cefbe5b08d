//! Canonical JSON: the bytes that signatures are made over.
//!
//! - Keys are sorted by the UTF-8 bytes of the unescaped key, nothing is normalized.
//! - Only `\` and `"` are escaped; every other character stands as it is.
//! - No white space, integers only.
//!
//! The encoder takes the *received* value with all members it does not know, never a re-serialized struct. It agrees
//! with securesystemslib; `ci/oracles` compares the two.

use serde_json::Value;

/// A value that has no canonical form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} has no canonical form: only 64-bit integers have one")]
pub struct CanonicalError(String);

/// The canonical form of `value`.
///
/// # Errors
/// When it holds a number that is not a 64-bit integer. Values from [`json::parse`](crate::json::parse) never do.
pub fn encode(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    write(&mut out, value)?;
    Ok(out)
}

// The recursion is bounded: values come from json::parse, which stops at MAX_DEPTH, or from our own structs.
fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) if number.is_f64() => return Err(CanonicalError(number.to_string())),
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write(out, item)?;
            }
            out.push(b']');
        }
        Value::Object(map) => {
            // Sorted here, not by the map: its order depends on a feature another crate may switch on.
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push(b'{');
            for (position, (key, member)) in members.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write(out, member)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(value: &Value) -> String {
        String::from_utf8(encode(value).unwrap()).unwrap()
    }

    #[test]
    fn keys_are_sorted_by_bytes_and_white_space_is_gone() {
        assert_eq!(
            text(&json!({"b": 1, "a": [true, null], "B": {}, "a\"": -7})),
            r#"{"B":{},"a":[true,null],"a\"":-7,"b":1}"#
        );
        // U+10000 sorts after U+FFFD by UTF-8 bytes, before it by UTF-16 units.
        assert_eq!(
            text(&json!({"\u{10000}": 1, "\u{fffd}": 2})),
            "{\"\u{fffd}\":2,\"\u{10000}\":1}"
        );
    }

    #[test]
    fn only_backslash_and_quote_are_escaped() {
        assert_eq!(
            text(&json!("a\"b\\c\n\t\u{0}é")),
            "\"a\\\"b\\\\c\n\t\u{0}é\""
        );
    }

    #[test]
    fn floats_have_no_canonical_form() {
        assert_eq!(encode(&json!([1.5])), Err(CanonicalError("1.5".into())));
    }
}
