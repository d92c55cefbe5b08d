//! The documents of several extensions: fetched at once, verified each for itself.

use test_repos::fault_server::Request;

use super::*;

fn catalog(names: &[String]) -> Story {
    let mut story = Story::new(1);
    for name in names {
        story.catalog.add_extension(name);
    }
    story.publish();
    story
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("k3s-{number:02}"))
        .collect()
}

fn refresh_of(story: &Story, names: &[String]) -> FreshCatalog {
    let root = story.root();
    let config = Config::load(&root).unwrap();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (now, wanted) = (story.catalog.now(), wanted(&names));
    let mut all = refresh_all(&root, &config, &fetcher(), now, &wanted, Mode::Online);
    all.remove("k3s").unwrap().unwrap()
}

fn good(fresh: &FreshCatalog) -> usize {
    fresh.indexes.values().filter(|index| index.is_ok()).count()
}

/// Each is answered only once four are asked for: one at a time would wait for ever.
#[test]
fn four_indexes_are_fetched_at_once_over_as_many_connections() {
    let names = names(40);
    let story = catalog(&names);
    let together = Behaviour::Together { requests: 4 };
    story.mirrors[0].behave("metadata/1.k3s-*", Times::Always, together);
    let fresh = refresh_of(&story, &names);
    assert_eq!(good(&fresh), 40);
    assert_eq!(story.mirrors[0].count("metadata/1.k3s-*"), 40);
    let connections = story.mirrors[0].connections();
    assert!((4..=5).contains(&connections), "{connections}");
    // Nothing of them is fetched again.
    story.mirrors[0].behave_well();
    story.mirrors[0].clear_log();
    assert_eq!(good(&refresh_of(&story, &names)), 40);
    assert_eq!(story.mirrors[0].requests().len(), 2);
}

#[test]
fn no_more_at_once_than_the_settings_say() {
    let names = names(8);
    let story = catalog(&names);
    story
        .host
        .write("etc/sysext-fetch/sysext-fetch.toml", "parallel = 1\n");
    let root = story.root();
    let config = Config::load(&root).unwrap();
    let fetcher = Fetcher::new(&config.settings, Network::Online).unwrap();
    let wanted = wanted(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let now = story.catalog.now();
    let mut all = refresh_all(&root, &config, &fetcher, now, &wanted, Mode::Online);
    assert_eq!(good(&all.remove("k3s").unwrap().unwrap()), 8);
    assert_eq!(story.mirrors[0].connections(), 1);
}

#[test]
fn one_document_that_is_wrong_or_not_there_is_its_extensions_alone() {
    let names = names(8);
    for (lie, requests) in [
        // A lie is met once: what came is what is judged.
        (Behaviour::Flip { offset: 60 }, 1..=1),
        (
            Behaviour::Status {
                code: 404,
                retry_after: None,
            },
            1..=1,
        ),
        (Behaviour::Endless, 1..=1),
        // Twice more, as any; and below that, a connection that was used before is replaced by a new one.
        (Behaviour::CloseAtOnce, 3..=6),
    ] {
        let story = catalog(&names);
        let path = "metadata/1.k3s-03.json";
        story.mirrors[0].behave(path, Times::Always, lie.clone());
        let fresh = refresh_of(&story, &names);
        assert_eq!(good(&fresh), 7, "{lie:?}");
        assert!(fresh.indexes["k3s-03"].is_err(), "{lie:?}");
        let asked = story.mirrors[0].count(path);
        assert!(requests.contains(&asked), "{lie:?}: {asked}");
        story.mirrors[0].behave_well();
        assert_eq!(good(&refresh_of(&story, &names)), 8, "{lie:?}");
    }
}

#[test]
fn groups_come_first_and_then_what_they_lead_to() {
    let names = names(12);
    let mut story = Story::new(1);
    story.catalog.add_grouped_extensions(&names, 4);
    story.publish();
    let together = Behaviour::Together { requests: 4 };
    story.mirrors[0].behave("metadata/1.k3s-*", Times::Always, together);
    let fresh = refresh_of(&story, &names);
    assert_eq!(good(&fresh), 12);
    let requests = story.mirrors[0].requests();
    let is_group = |asked: &Request| asked.path.starts_with("metadata/1._");
    let groups = requests.iter().filter(|asked| is_group(asked)).count();
    let first = requests.iter().position(is_group).unwrap();
    assert!(groups > 1 && requests[first..first + groups].iter().all(is_group));
    let paths: BTreeSet<_> = requests.iter().map(|request| &request.path).collect();
    assert_eq!(paths.len(), requests.len(), "something was fetched twice");
}
