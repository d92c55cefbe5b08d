//! os-release and extension-release (`sysext_formats::os`). Input: a host's file, a NUL byte, an image's file.
//!
//! - What is read has variable names as keys and no NUL, and comes back when it is written as assignments.
//! - An image that fits names the host's `ID`, one that the host is like, or `_any`; never a foreign architecture.
//! - A file of more than 64 KiB is refused.

use sysext_formats::os::{Fields, Host, MAX_RELEASE_FILE, match_host};

/// The invariant above, for any two files.
pub fn check(data: &[u8]) -> bool {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let [host, image] = [(); 2].map(|()| parts.next().unwrap_or_default());
    let (host, image) = (read(host), read(image));
    let (Some(os_release), Some(image)) = (host, image) else {
        return false;
    };
    let host = Host {
        os_release,
        architecture: "x86-64".to_owned(),
    };
    let fits = match_host(&image, &host).is_ok();
    if fits {
        let id = image.get("ID").expect("an image that fits has an ID");
        let own = host
            .os_release
            .get("ID")
            .expect("a host without an ID takes nothing");
        let like = host.os_release.get("ID_LIKE").unwrap_or_default();
        assert!(id == "_any" || id == own || like.split_ascii_whitespace().any(|like| like == id));
        let architecture = image.get("ARCHITECTURE");
        assert!(
            matches!(architecture, None | Some("_any" | "x86-64")),
            "{architecture:?}"
        );
        let scope = image.get_even_empty("SYSEXT_SCOPE");
        assert!(
            scope.is_none_or(|scope| scope.contains("system")),
            "{scope:?}"
        );
    }
    fits
}

fn read(bytes: &[u8]) -> Option<Fields> {
    let fields = Fields::parse(bytes).ok()?;
    assert!(bytes.len() <= MAX_RELEASE_FILE);
    let mut text = String::new();
    for (key, value) in fields.iter() {
        assert!(
            key.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{key:?}"
        );
        assert!(!key.starts_with(|c: char| c.is_ascii_digit()) && !value.contains('\0'));
        text.push_str(&format!("{key}=\"{}\"\n", quoted(value)));
    }
    if text.len() <= MAX_RELEASE_FILE {
        assert_eq!(
            Fields::parse(text.as_bytes()).as_ref(),
            Ok(&fields),
            "{text}"
        );
    }
    Some(fields)
}

/// As a shell wants it between double quotes.
fn quoted(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
