//! The order of versions (`sysext_formats::version`). Input: three texts, one a line.
//!
//! - The order is total: reflexive, antisymmetric, transitive; equal texts behave equally against a third.
//! - What the specification says of versions holds: `~` at the end is older, a further part is newer, leading zeros of a
//!   number do not count.
//! - What parses as a version comes back, keeps to its alphabet, and has a name that is good in a file name.

use std::cmp::Ordering;

use sysext_formats::name::FileName;
use sysext_formats::version::{Version, compare};

/// The invariant above, for any three lines.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let mut lines = text.splitn(3, '\n').chain(["", "", ""]);
    let [a, b, c] = [(); 3].map(|()| lines.next().unwrap());
    for text in [a, b, c] {
        assert_eq!(compare(text, text), Ordering::Equal, "{text:?}");
    }
    for (a, b, c) in [
        (a, b, c),
        (a, c, b),
        (b, a, c),
        (b, c, a),
        (c, a, b),
        (c, b, a),
    ] {
        let order = compare(a, b);
        assert_eq!(order, compare(b, a).reverse(), "{a:?} {b:?}");
        match (order, compare(b, c)) {
            (Ordering::Equal, other) | (other, Ordering::Equal) => {
                assert_eq!(compare(a, c), other, "{a:?} {b:?} {c:?}");
            }
            (one, other) if one == other => assert_eq!(compare(a, c), one, "{a:?} {b:?} {c:?}"),
            _ => {}
        }
    }
    for text in [a, b, c] {
        one(text);
    }
    a.parse::<Version>().is_ok()
}

fn one(text: &str) {
    let Ok(version) = text.parse::<Version>() else {
        return;
    };
    assert_eq!(version.to_string(), text);
    assert!(text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic()));
    let less =
        |one: &str, other: &str| assert_eq!(compare(one, other), Ordering::Less, "{one} {other}");
    less(&format!("{text}~"), text);
    less(&format!("{text}~1"), text);
    // Behind a `-` the end of a text is looked for one step later: `1-` is newer than `1-.1`, for systemd, too.
    if !text.ends_with('-') {
        less(text, &format!("{text}.1"));
        less(text, &format!("{text}^1"));
    }
    assert_eq!(
        compare(text, &format!("0{text}")) == Ordering::Equal,
        text.starts_with(|c: char| c.is_ascii_digit())
    );
    let file = format!("name_{}.raw", version.in_file_name());
    assert!(file.parse::<FileName>().is_ok(), "{file}");
    let _ = version.is_prerelease();
}
