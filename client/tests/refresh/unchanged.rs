//! A server that says that nothing has changed: when it is asked so, and that it is believed no further than one that
//! sends the same bytes again.

use test_repos::fault_server::Request;

use super::*;

const TIMESTAMP: &str = "metadata/timestamp.json";
const EXPIRED: &str = "2027-06-01T00:00:00Z";

/// The last request for the timestamp of a mirror.
fn asked(mirror: &FaultServer) -> Request {
    let mut requests = mirror.requests().into_iter().rev();
    requests.find(|request| request.path == TIMESTAMP).unwrap()
}

/// Whether a mirror was asked on a condition, and what it answered.
fn outcome(mirror: &FaultServer) -> (bool, u16) {
    let asked = asked(mirror);
    let fields = ["if-none-match", "if-modified-since"];
    let is_conditional = fields.iter().any(|field| asked.header(field).is_some());
    (is_conditional, asked.status.unwrap())
}

/// Answers of a server whose files have these fields.
fn headers(fields: &[(&'static str, Option<&str>)]) -> Behaviour {
    let fields = fields
        .iter()
        .map(|(name, value)| (*name, value.map(str::to_owned)));
    Behaviour::Headers(fields.collect())
}

#[test]
fn a_server_that_says_unchanged_for_ever_is_believed_until_the_timestamp_expires() {
    let mut story = Story::new(1);
    story.refresh().unwrap();
    story
        .catalog
        .add_image("k3s", &ImageSpec::new("k3s").version("1.31.6"));
    story.publish();
    story.mirrors[0].behave(TIMESTAMP, Times::Always, Behaviour::NotModified);
    let fresh = story.refresh().unwrap();
    assert_eq!(versions(&fresh), ["1.31.5"]);
    assert_eq!(outcome(&story.mirrors[0]), (true, 304));
    // As with one that serves the old file for ever.
    assert_eq!(kind(story.refresh_at(EXPIRED)), ProblemKind::Overdue);
    assert_eq!(outcome(&story.mirrors[0]), (true, 304));
    story.mirrors[0].behave_well();
    assert_eq!(versions(&story.refresh().unwrap()).len(), 2);
}

#[test]
fn unchanged_means_nothing_to_a_host_that_has_no_timestamp() {
    let story = Story::new(1);
    story.mirrors[0].behave(TIMESTAMP, Times::Always, Behaviour::NotModified);
    let problem = story.refresh().unwrap_err();
    assert!(problem.in_one_line().contains("304"), "{problem:?}");
    assert_eq!(outcome(&story.mirrors[0]), (false, 304));
    story.mirrors[0].behave_well();
    story.refresh().unwrap();
    // Nor to one that has lost it, or has another one than the mirror means.
    let file = format!("{}/timestamp.json", catalog_directory(&story));
    let good = story.host.read(&file);
    for text in [None, Some("{"), Some(&*good.replace(':', ": "))] {
        match text {
            Some(text) => story.host.write(&file, text),
            None => std::fs::remove_file(story.host.path(&file)).unwrap(),
        }
        story.refresh().unwrap();
        assert_eq!(outcome(&story.mirrors[0]), (false, 200), "{text:?}");
    }
}

#[test]
fn what_is_damaged_on_this_host_costs_one_whole_document() {
    let story = Story::new(1);
    story.refresh().unwrap();
    let file = format!("{}/validators.toml", catalog_directory(&story));
    let good = story.host.read(&file);
    let lines: Vec<_> = good.lines().collect();
    let [mirror, _, timestamp] = lines[..] else {
        panic!("{good}");
    };
    let named = |validator: &str| format!("{mirror}\nvalidator = {validator}\n{timestamp}\n");
    let long = format!("'\"{}\"'", "a".repeat(300));
    for text in [
        String::new(),
        "[".to_owned(),
        named("'no-tag'"),
        named("1"),
        named(&long),
        named(r#""\"a\r\nX-Other: 1\"""#),
        good.replace("timestamp = \"", "timestamp = \"0"),
        "x".repeat(100_000),
    ] {
        assert_ne!(text, good);
        story.host.write(&file, &text);
        assert_eq!(versions(&story.refresh().unwrap()), ["1.31.5"]);
        assert_eq!(outcome(&story.mirrors[0]), (false, 200), "{text}");
        assert_eq!(story.host.read(&file), good, "{text}");
    }
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (true, 304));
}

#[test]
fn another_tag_for_the_same_bytes_and_weak_ones_are_fine() {
    let story = Story::new(1);
    let mirror = &story.mirrors[0];
    mirror.behave(TIMESTAMP, Times::Always, Behaviour::ChangeEtagEachTime);
    for _ in 0..3 {
        assert_eq!(versions(&story.refresh().unwrap()), ["1.31.5"]);
        assert_eq!(asked(mirror).status, Some(200));
    }
    assert_eq!(outcome(mirror), (true, 200));
    mirror.behave_well();
    let digest = story.catalog.files();
    let tag = format!("W/\"{}\"", digest[TIMESTAMP].len());
    mirror.behave(TIMESTAMP, Times::Always, headers(&[("ETag", Some(&*tag))]));
    story.refresh().unwrap();
    story.refresh().unwrap();
    assert_eq!(asked(mirror).header("if-none-match"), Some(&*tag));
}

#[test]
fn without_a_tag_a_date_does_that_is_not_of_this_minute() {
    let story = Story::new(1);
    let mirror = &story.mirrors[0];
    let (settled, now) = (
        "Sun, 22 Nov 2026 23:59:59 GMT",
        "Mon, 23 Nov 2026 00:00:59 GMT",
    );
    let asked_after = |fields: &[(&'static str, Option<&str>)]| {
        mirror.behave(TIMESTAMP, Times::Always, headers(fields));
        // Twice: what was known before does not count.
        story.refresh().unwrap();
        story.refresh().unwrap();
        let asked = asked(mirror);
        let fields = ["if-none-match", "if-modified-since"];
        fields.map(|field| asked.header(field).map(str::to_owned))
    };
    let dated = |modified, date| {
        [
            ("ETag", None),
            ("Last-Modified", Some(modified)),
            ("Date", date),
        ]
    };
    assert_eq!(
        asked_after(&dated(settled, Some(now))),
        [None, Some(settled.to_owned())]
    );
    mirror.behave(TIMESTAMP, Times::Next(1), Behaviour::NotModified);
    assert_eq!(versions(&story.refresh().unwrap()), ["1.31.5"]);
    // It may change once more in that second, and nobody would see it.
    assert_eq!(asked_after(&dated(now, Some(now))), [None, None]);
    // Nobody says what time it is there.
    assert_eq!(asked_after(&dated(settled, None)), [None, None]);
    // Many tags are made of the same second.
    let tagged = [
        ("ETag", Some("\"6745-1a\"")),
        ("Last-Modified", Some(now)),
        ("Date", Some(now)),
    ];
    assert_eq!(asked_after(&tagged), [None, None]);
}

#[test]
fn a_mirror_speaks_for_itself_alone() {
    let mut story = Story::new(2);
    story.refresh().unwrap();
    let broken = Behaviour::Status {
        code: 500,
        retry_after: None,
    };
    story.mirrors[0].behave(TIMESTAMP, Times::Always, broken.clone());
    // The second never served it: it is not asked on the word of the first.
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[1]), (false, 200));
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[1]), (true, 304));
    story.mirrors[0].behave_well();
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (true, 304));
    // What the second serves now is not what the first named.
    story.catalog.touch("timestamp");
    story.publish();
    story.mirrors[0].behave(TIMESTAMP, Times::Always, broken);
    story.refresh().unwrap();
    story.mirrors[0].behave_well();
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (false, 200));
}

#[test]
fn a_timestamp_that_was_refused_is_asked_for_anew() {
    let mut story = Story::new(1);
    story.refresh().unwrap();
    story.catalog.touch("timestamp");
    story.publish();
    let flip = Behaviour::Flip { offset: 60 };
    story.mirrors[0].behave(TIMESTAMP, Times::Next(1), flip);
    assert_eq!(kind(story.refresh()), ProblemKind::Trust);
    // The tag of the bytes that were refused is the one that the server has; it was not kept.
    story.refresh().unwrap();
    assert_eq!(asked(&story.mirrors[0]).status, Some(200));
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (true, 304));
}

#[test]
fn a_new_root_makes_the_timestamp_come_whole() {
    let mut story = Story::new(1);
    story.refresh().unwrap();
    story.catalog.touch("root");
    story.publish();
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (false, 200));
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (true, 304));
}

#[test]
fn no_password_of_a_mirror_gets_into_what_everybody_may_read() {
    let story = Story::new(1);
    let url = story.mirrors[0].url("");
    let with = |user: &str| url.replace("http://", &format!("http://{user}"));
    let trust = |user: &str| {
        let text = story.catalog.descriptor("k3s", &[&with(user)], &["k3s"]);
        story
            .host
            .write("etc/sysext-fetch/catalogs.d/k3s.toml", text);
    };
    let file = format!("{}/validators.toml", catalog_directory(&story));
    trust("user:hunter2@");
    story.refresh().unwrap();
    let known = story.host.read(&file);
    trust("user:hunter3@");
    story.refresh().unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (true, 304));
    assert_eq!(story.host.read(&file), known);
    assert!(
        !known.contains("hunter") && !known.contains(&url),
        "{known}"
    );
}
