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
    assert_eq!(asked.header("if-modified-since"), None);
    (
        asked.header("if-none-match").is_some(),
        asked.status.unwrap(),
    )
}

/// Answers of a server whose files have these fields.
fn headers(fields: &[(&'static str, Option<&str>)]) -> Behaviour {
    let fields = fields
        .iter()
        .map(|(name, value)| (*name, value.map(str::to_owned)));
    Behaviour::Headers(fields.collect())
}

/// One more image, in what the mirrors have.
fn publish_another(story: &mut Story) {
    story
        .catalog
        .add_image("k3s", &ImageSpec::new("k3s").version("1.31.6"));
    story.publish();
}

/// Half a day after the timestamp came, or how many seconds later.
fn half_a_day_and(seconds: i64) -> String {
    UtcTime::from_unix(time(NOW).unix() + 12 * 60 * 60 + seconds).to_string()
}

#[test]
fn a_server_that_says_unchanged_for_ever_is_believed_for_half_a_day() {
    let mut story = Story::new(1);
    // What honest servers have that make it of a time that somebody holds still.
    story.mirrors[0].behave(TIMESTAMP, Times::Always, Behaviour::SameEtag);
    story.refresh().unwrap();
    publish_another(&mut story);
    for (seconds, outcome_then, images) in [(0, (true, 304), 1), (1, (false, 200), 2)] {
        let fresh = story.refresh_at(&half_a_day_and(seconds)).unwrap();
        assert_eq!(outcome(&story.mirrors[0]), outcome_then);
        assert_eq!(versions(&fresh).len(), images);
    }
    // One that lies does so in vain.
    story.mirrors[0].behave(TIMESTAMP, Times::Always, Behaviour::NotModified);
    story.refresh_at(&half_a_day_and(60)).unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (true, 304));
    assert!(story.refresh_at(EXPIRED).is_err());
    assert_eq!(outcome(&story.mirrors[0]), (false, 304));
}

#[test]
fn a_time_in_the_future_is_an_old_one() {
    let mut story = Story::new(1);
    story.mirrors[0].behave(TIMESTAMP, Times::Always, Behaviour::SameEtag);
    story.refresh_at(&half_a_day_and(0)).unwrap();
    publish_another(&mut story);
    let fresh = story.refresh_at(NOW).unwrap();
    assert_eq!(outcome(&story.mirrors[0]), (false, 200));
    assert_eq!(versions(&fresh).len(), 2);
}

#[test]
fn what_has_expired_comes_whole_however_young_it_is() {
    let story = Story::new(1);
    story.mirrors[0].behave(TIMESTAMP, Times::Always, Behaviour::SameEtag);
    let timestamp: serde_json::Value =
        serde_json::from_slice(&story.catalog.files()[TIMESTAMP]).unwrap();
    let expires = time(timestamp["signed"]["expires"].as_str().unwrap()).unix();
    let before = UtcTime::from_unix(expires - 60).to_string();
    story.refresh_at(&before).unwrap();
    let expired = UtcTime::from_unix(expires).to_string();
    assert_eq!(kind(story.refresh_at(&expired)), ProblemKind::Overdue);
    assert_eq!(outcome(&story.mirrors[0]), (false, 200));
}

#[test]
fn what_is_refused_though_unchanged_is_asked_for_once_more_whole() {
    let mut story = Story::new(1);
    story.mirrors[0].behave(TIMESTAMP, Times::Always, Behaviour::SameEtag);
    story.refresh().unwrap();
    let mut requests = story.mirrors[0].requests().into_iter();
    let is_snapshot = |path: &str| path.ends_with(".snapshot.json");
    let old = requests
        .find(|asked| is_snapshot(&asked.path))
        .unwrap()
        .path;
    publish_another(&mut story);
    // The stored one names a snapshot that this host lost and the mirror has no more.
    let directory = catalog_directory(&story);
    std::fs::remove_file(story.host.path(&format!("{directory}/snapshot.json"))).unwrap();
    story.mirrors[0].remove(&old);
    story.mirrors[0].clear_log();
    assert_eq!(versions(&story.refresh().unwrap()).len(), 2);
    let requests = story.mirrors[0].requests();
    let answers = requests.iter().filter(|asked| asked.path == TIMESTAMP);
    let answers: Vec<_> = answers.map(|asked| asked.status.unwrap()).collect();
    assert_eq!(answers, [304, 200]);
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
    let file = format!("{}/timestamps.toml", catalog_directory(&story));
    let good = story.host.read(&file);
    let lines: Vec<_> = good.lines().collect();
    let [mirror, _, rest @ ..] = &lines[..] else {
        panic!("{good}");
    };
    let rest = rest.join("\n");
    let named = |validator: &str| format!("{mirror}\nvalidator = {validator}\n{rest}\n");
    let long = format!("'\"{}\"'", "a".repeat(300));
    for text in [
        String::new(),
        "[".to_owned(),
        named("'no-tag'"),
        named("1"),
        named(&long),
        named(r#""\"a\r\nX-Other: 1\"""#),
        good.replace("timestamp = \"", "timestamp = \"0"),
        good.replace("came = \"2", "came = \"1"),
        good.replace("expires = \"2", "expires = \"1"),
        good.replace("came = ", "gone = "),
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
fn dates_do_not_and_tags_of_this_minute_do_not() {
    let story = Story::new(1);
    let mirror = &story.mirrors[0];
    let (settled, now) = (
        "Sun, 22 Nov 2026 23:59:59 GMT",
        "Mon, 23 Nov 2026 00:00:59 GMT",
    );
    let is_conditional = |tag, modified, date| {
        let fields = [("ETag", tag), ("Last-Modified", modified), ("Date", date)];
        mirror.behave(TIMESTAMP, Times::Always, headers(&fields));
        // Twice: what was known before does not count.
        story.refresh().unwrap();
        story.refresh().unwrap();
        outcome(mirror).0
    };
    let tag = Some("\"6745-1a\"");
    assert!(is_conditional(tag, Some(settled), Some(now)));
    assert!(is_conditional(tag, None, None));
    // Many are made of the second of the last change: it may change once more in that, and nobody would see it.
    assert!(!is_conditional(tag, Some(now), Some(now)));
    assert!(!is_conditional(None, Some(settled), Some(now)));
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
    let file = format!("{}/timestamps.toml", catalog_directory(&story));
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
