//! The page for people: what is on it, and that it is written only when it differs. How it looks and behaves in a browser is
//! shown by ci/checks/site.

use serde_json::{Value, json};
use sysext_formats::digest::Sha256Digest;

use crate::attacks::Delegated;
use crate::common::Vendor;

/// The page as it is published.
fn page(vendor: &Vendor) -> String {
    String::from_utf8(vendor.read("public/index.html")).unwrap()
}

/// The part of one extension.
fn part<'a>(page: &'a str, name: &str) -> &'a str {
    let begin = page.find(&format!("id=\"{name}\"")).unwrap();
    let length = page[begin..].find("</section>").unwrap();
    &page[begin..begin + length]
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

fn site(vendor: &Vendor, more: &[&str]) -> Value {
    let words = [&["site", "--json"], more].concat();
    vendor.run(&words).ends(0).json()
}

#[test]
fn it_is_written_once_and_shows_what_is_published() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    vendor
        .run(&[
            "add",
            &image,
            "--fixes",
            "CVE-2026-10001",
            "--rollout",
            "72",
        ])
        .ends(0);
    let before = vendor.published();
    let would = site(&vendor, &["--dry-run"]);
    assert_eq!(
        (&would["changed"], &would["dry_run"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(vendor.published(), before);

    let did = site(&vendor, &[]);
    let text = page(&vendor);
    assert_eq!(did["changed"], true);
    assert_eq!(did["bytes"], text.len());
    let fingerprint = Sha256Digest::of(&vendor.read("root.json"));
    has(
        &text,
        &[
            &format!("sysext-fetch catalog add https://sysext.example#sha256={fingerprint}<"),
            "<a href=\"#hello\">hello</a>",
            "This page is not signed",
        ],
    );
    has(
        part(&text, "hello"),
        &[
            "sysext-fetch install hello<",
            "images/hello_1.0_noarch.raw",
            "CVE-2026-10001",
            "rollout",
            "stable",
        ],
    );
    assert!(!text.contains("systemd-sysupdate"), "openpgp is not set");
    // The catalog is as it was: nothing of it knows the page.
    let mut after = vendor.published();
    after.remove("index.html");
    assert_eq!(after, before);
    vendor.run(&["verify", "--all"]).ends(0);

    // Again: not a byte, not even the same ones.
    let written = || {
        std::fs::metadata(vendor.path("public/index.html"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let at = written();
    let again = site(&vendor, &[]);
    assert_eq!((&again["changed"], written()), (&json!(false), at));
    vendor.run(&["site"]).ends(0).prints("nothing to do");
    // A longer one that somebody put there is none of ours.
    vendor.write("public/index.html", &vec![b'x'; text.len() * 2]);
    assert_eq!(site(&vendor, &[])["changed"], true);
    assert_eq!(page(&vendor), text);
}

#[test]
fn what_is_withdrawn_retired_or_missing_says_so() {
    let vendor = Vendor::with_catalog();
    for name in ["old", "later"] {
        vendor.run(&["extension", "add", name]).ends(0);
    }
    let images = [vendor.image("hello", "1.0"), vendor.image("hello", "2.0")];
    vendor.run(&["add", &images[0], &images[1]]).ends(0);
    site(&vendor, &[]);
    has(&page(&vendor), &["<td>2.0</td>"]);
    vendor
        .run(&[
            "withdraw",
            "hello",
            "2.0",
            "--reason",
            "eats <disks> & \"more\"",
        ])
        .ends(0);
    vendor
        .run(&[
            "retire",
            "old",
            "--reason",
            "nobody needs it",
            "--successor",
            "hello",
        ])
        .ends(0);
    assert_eq!(site(&vendor, &[])["changed"], true);
    let text = page(&vendor);
    // What one gets is not what is withdrawn.
    has(&text, &["<td>1.0</td>"]);
    assert!(!text.contains("<td>2.0</td>"), "{text}");
    has(
        part(&text, "hello"),
        &[
            "withdrawn",
            "eats &#60;disks&#62; &#38; &#34;more&#34;",
            ">2.0<",
        ],
    );
    has(
        part(&text, "old"),
        &[
            "Retired.",
            "nobody needs it",
            "<a href=\"#hello\">hello</a> instead",
        ],
    );
    has(part(&text, "later"), &["No version is published yet."]);
    assert!(
        !part(&text, "old").contains("sysext-fetch install"),
        "{text}"
    );
}

#[test]
fn what_a_stranger_signs_is_shown_and_not_obeyed() {
    let both = Delegated::new();
    both.propose("2");
    both.sign(|signed| {
        let info = &mut signed["x-sysext"];
        info["summary"] = json!("</title></script><script>alert(1)</script>\" onload=\"x");
        info["license"] = json!("<img src=https://evil.example/x>");
        info["channels"] = json!({"stable": "'><b>"});
        // Hosts and this page show links alone.
        info["homepage"] = json!("javascript:alert(1)");
        info["documentation"] = json!("https://docs.example/\"><script>x");
        let image = &mut signed["targets"]["tool_2_noarch.raw"]["custom"]["sysext"];
        image["fixes"] = json!(["<script>alert(2)</script>"]);
        image["links"] = json!({"notes": "data:text/html,x", "source": "http://evil.example/"});
    });
    both.accept().ends(0);
    site(&both.owner, &[]);
    let text = page(&both.owner);
    let ours = text.matches("<script>").count();
    assert_eq!((ours, text.matches("<img").count()), (1, 0), "{text}");
    has(
        part(&text, "tool"),
        &[
            "&#60;script&#62;alert(1)",
            "&#34; onload=&#34;x",
            "&#60;img src=https://evil.example/x&#62;",
            "&#60;script&#62;alert(2)",
            "href=\"images/tool_2_noarch.raw\"",
        ],
    );
    for bad in [
        "href=\"javascript",
        "href=\"data:text",
        "http://evil.example",
    ] {
        assert!(!text.contains(bad), "{bad}");
    }
}

#[test]
fn an_index_of_a_revoked_key_is_named_and_not_shown() {
    let both = Delegated::new();
    let other = Vendor::new();
    other
        .run(&["key", "generate", "--unencrypted", "new.pem"])
        .ends(0);
    let key = other.path("new.pub");
    let replace = ["key", "replace", "--for", "tool", "--revoke", "--key"];
    let words = [&replace[..], &[key.to_str().unwrap()]].concat();
    both.owner.run(&words).ends(0);
    site(&both.owner, &[]);
    let text = page(&both.owner);
    has(
        part(&text, "tool"),
        &["signed by nobody who may sign it now"],
    );
    assert!(!text.contains("tool_1_noarch.raw"), "{text}");
}

#[test]
fn it_goes_into_a_file_or_to_stdout_and_needs_what_can_be_verified() {
    let vendor = Vendor::with_catalog();
    let printed = vendor.run(&["site", "--output", "-"]).ends(0).out;
    assert!(printed.ends_with("</html>\n"), "{printed}");
    assert!(!vendor.published().contains_key("index.html"));
    assert_eq!(site(&vendor, &["-o", "page.html"])["changed"], true);
    assert_eq!(vendor.read("page.html"), printed.as_bytes());
    assert_eq!(site(&vendor, &["-o", "page.html"])["changed"], false);
    vendor
        .run(&["site", "-o", "page.html", "--dry-run"])
        .ends(0)
        .prints("nothing to do");
    vendor.run(&["site", "-o", "-", "--json"]).ends(2);
    vendor
        .run(&["site", "-o", "nowhere/page.html"])
        .ends(2)
        .says(&["nowhere"]);
    // From a mirror, which can not be written.
    let base = vendor.path("public");
    let base = base.to_str().unwrap();
    let mirrored = vendor.run(&["site", "-o", "-", "--base", base]).ends(0).out;
    assert_eq!(mirrored, printed);

    // Whoever publishes into somebody else's catalog has no place for it.
    let both = Delegated::new();
    let location = format!("location = \"{}\"", both.owner.path("public").display());
    both.vendor.edit(
        "sysext-publish.toml",
        &location,
        "location = \"https://acme.example\"",
    );
    both.vendor
        .run(&["site", "--base", base])
        .ends(2)
        .says(&["https://acme.example/ can only be read", "--output FILE"]);

    let timestamp = vendor.read("public/metadata/timestamp.json");
    let other = String::from_utf8(timestamp)
        .unwrap()
        .replace("\"version\":1", "\"version\":2");
    vendor.write("public/metadata/timestamp.json", other.as_bytes());
    vendor.run(&["site"]).ends(4);
    assert!(!vendor.published().contains_key("index.html"));
}

#[test]
fn plain_systemd_is_shown_where_it_is_served_with_the_file_of_export() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    vendor.run(&["add", &image]).ends(0);
    vendor.edit(
        "sysext-publish.toml",
        "openpgp = \"\"",
        "openpgp = \"cmd:gpg\"",
    );
    site(&vendor, &[]);
    let exported = vendor.run(&["export", "sysupdate", "hello"]).ends(0).out;
    let text = page(&vendor);
    let escaped = exported.trim_end().replace('\'', "&#39;");
    has(
        part(&text, "hello"),
        &[&escaped, "systemd-sysupdate -C hello update"],
    );
}
