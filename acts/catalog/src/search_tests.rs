//! Search: what must come first, that parts of words are found, that counts are right, that the index keeps up.

use crate::{
    Entry, Publication,
    search::{
        Facet, Query, Search,
        analyse::{TOKENIZER, Weighted, fold, query, section},
    },
    tests::{at, organisation, put, put_at, samples, stores, take_out},
};
use ::store::Store;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tantivy::tokenizer::{TokenStream, Tokenizer};

#[derive(serde::Deserialize)]
struct Expected {
    query: String,
    first: String,
}

async fn filled(store: &Store) {
    for entry in samples() {
        put(store, "province", entry).await.unwrap();
    }
    while store.sequence(at(0)).await.unwrap().entries > 0 {}
}

fn names(search: &Search, query: &Query) -> Vec<String> {
    search.search(query).unwrap().hits.into_iter().map(|it| it.entry.to_string()).collect()
}

fn first(search: &Search, text: &str) -> Option<String> {
    names(search, &Query::words(text)).into_iter().next()
}

#[tokio::test]
async fn what_people_type_comes_first() {
    let (stores, folder) = stores().await;
    let store = &stores[0];
    filled(store).await;
    let search = Search::at(folder.path().join("index"));
    search.follow(store).await.unwrap();
    let expected: Vec<Expected> = serde_saphyr::from_str(include_str!("queries.yaml")).unwrap();
    assert!(expected.len() >= 80);
    let wrong: Vec<_> = expected
        .iter()
        .map(|it| (it, first(&search, &it.query)))
        .filter(|(it, found)| found.as_ref() != Some(&it.first))
        .map(|(it, found)| format!("{}: {found:?}, should be {}", it.query, it.first))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn counts_of_facets_are_those_of_the_entries() {
    let (stores, folder) = stores().await;
    let store = &stores[0];
    filled(store).await;
    let search = Search::at(folder.path().join("index"));
    search.follow(store).await.unwrap();
    let value = |entry: &Entry, facet: Facet| -> Vec<String> {
        let json = serde_json::to_value(entry).unwrap();
        let text = |name: &str| vec![json[name].as_str().unwrap().to_owned()];
        match facet {
            Facet::Organisation => vec!["province".to_owned()],
            Facet::Provider => vec![entry.provider.zh.clone()],
            Facet::Theme => text("theme"),
            Facet::Class => text("class"),
            Facet::Grade => text("grade"),
            Facet::Share => text("share"),
            Facet::Cycle => text("cycle"),
            Facet::Open => vec![if entry.open { "open" } else { "closed" }.to_owned()],
            Facet::Format => entry.formats.clone(),
        }
    };
    let facets = [
        Facet::Organisation,
        Facet::Provider,
        Facet::Theme,
        Facet::Class,
        Facet::Grade,
        Facet::Share,
        Facet::Cycle,
        Facet::Open,
        Facet::Format,
    ];
    let everything = search.search(&Query::words("")).unwrap();
    assert_eq!(everything.total, samples().len() as u64);
    for facet in facets {
        let mut naive: BTreeMap<String, u64> = BTreeMap::new();
        for word in samples().iter().flat_map(|it| value(it, facet)) {
            *naive.entry(word).or_default() += 1;
        }
        let counted: BTreeMap<_, _> = everything.facets[&facet].iter().cloned().collect();
        assert_eq!(counted, naive, "{facet:?}");
        // Whoever filters by a value finds as many as were counted.
        for (word, count) in naive {
            let filters = BTreeMap::from([(facet, BTreeSet::from([word.clone()]))]);
            let found = search.search(&Query { filters, ..Query::words("") }).unwrap();
            assert_eq!(found.total, count, "{facet:?} {word}");
        }
    }
    let filters = BTreeMap::from([(Facet::Share, BTreeSet::from(["refused".to_owned()]))]);
    assert_eq!(names(&search, &Query { filters, ..Query::words("测绘") }), ["classified-maps"]);
}

#[tokio::test]
async fn paging_is_bounded_and_complete() {
    let (stores, folder) = stores().await;
    let store = &stores[0];
    filled(store).await;
    let search = Search::at(folder.path().join("index"));
    search.follow(store).await.unwrap();
    let mut seen = BTreeSet::new();
    for offset in (0..samples().len()).step_by(10) {
        let page = names(&search, &Query { offset: u32::try_from(offset).unwrap(), ..Query::words("") });
        seen.extend(page);
    }
    assert_eq!(seen.len(), samples().len());
    for (limit, offset) in [(101, 0), (10, 10_001)] {
        let refused = search.search(&Query { limit, offset, ..Query::words("企业") }).unwrap_err();
        assert_eq!(refused.code, "catalog.page");
    }
    assert_eq!(search.search(&Query::words("？！…")).unwrap().total, 0);
    assert!(search.search(&Query::words("全省 不动产 登记 明细")).unwrap().relaxed);
    let long = "企业".repeat(10_000);
    assert!(search.search(&Query::words(&long)).unwrap().total > 0);
}

#[tokio::test]
async fn titles_are_suggested_as_one_types() {
    let (stores, folder) = stores().await;
    let store = &stores[0];
    filled(store).await;
    let search = Search::at(folder.path().join("index"));
    search.follow(store).await.unwrap();
    let titles = |prefix: &str| -> Vec<String> {
        search.suggest(prefix, 5).unwrap().into_iter().map(|it| it.title.zh).collect()
    };
    assert_eq!(titles("机动车")[..2], ["机动车登记信息", "机动车驾驶证信息"]);
    assert_eq!(titles("Registration of m"), ["医疗机构执业登记信息"]);
    assert_eq!(titles("登记")[..1].len(), 1, "titles that contain it");
    assert_eq!(titles("  "), Vec::<String>::new());
    take_out(store, "province", "vehicle-register").await.unwrap();
    search.follow(store).await.unwrap();
    assert!(!titles("机动车").contains(&"机动车登记信息".to_owned()), "what was withdrawn is not suggested");
}

#[tokio::test]
async fn the_index_follows_the_feed_and_is_built_anew_when_lost() {
    let (stores, folder) = stores().await;
    for (number, store) in stores.iter().enumerate() {
        let place = folder.path().join(format!("index{number}"));
        let search = Search::at(&place);
        assert_eq!(search.search(&Query::words("企业")).unwrap_err().code, "catalog.index_absent");
        for entry in samples().into_iter().take(3) {
            put(store, "a", entry).await.unwrap();
        }
        let built = search.follow(store).await.unwrap();
        assert_eq!((built.position, built.changes, built.rebuilt), (3, 3, true));
        assert_eq!(search.follow(store).await.unwrap().changes, 0);
        put(store, "a", Entry { keywords: vec!["营商环境".to_owned()], ..samples().swap_remove(0) }).await.unwrap();
        take_out(store, "a", "individual-business").await.unwrap();
        let followed = search.follow(store).await.unwrap();
        assert_eq!((followed.position, followed.changes, followed.rebuilt), (5, 2, false));
        assert_eq!(names(&search, &Query::words("营商环境")), ["enterprise-base"]);
        assert_eq!(search.search(&Query::words("")).unwrap().total, 2);
        // Another process, or the next start, goes on where this one ended.
        let later = Search::at(&place);
        assert_eq!(names(&later, &Query::words("营商环境")), ["enterprise-base"]);
        assert!(!later.follow(store).await.unwrap().rebuilt);
        drop((search, later));
        std::fs::remove_dir_all(&place).unwrap();
        let lost = Search::at(&place);
        assert!(lost.follow(store).await.unwrap().rebuilt);
        assert_eq!(lost.search(&Query::words("")).unwrap().total, 2);
        drop(lost);
        std::fs::write(place.join("meta.json"), "{broken").unwrap();
        let broken = Search::at(&place);
        assert!(broken.follow(store).await.unwrap().rebuilt);
        assert_eq!(broken.search(&Query::words("")).unwrap().total, 2);
    }
}

#[tokio::test]
async fn an_index_of_another_feed_or_version_is_built_anew() {
    let (one, folder) = stores().await;
    let (other, _other_folder) = stores().await;
    let place = folder.path().join("index");
    put(&one[0], "a", samples().swap_remove(0)).await.unwrap();
    put_at(&other[0], "a", samples().swap_remove(4), 60).await.unwrap();
    let search = Search::at(&place);
    search.follow(&one[0]).await.unwrap();
    assert!(search.follow(&other[0]).await.unwrap().rebuilt);
    assert_eq!(names(&search, &Query::words("")), ["administrative-penalty"]);
    drop(search);
    let meta = std::fs::read_to_string(place.join("meta.json")).unwrap();
    std::fs::write(place.join("meta.json"), meta.replace("\\\"version\\\":1", "\\\"version\\\":0")).unwrap();
    assert!(Search::at(&place).follow(&other[0]).await.unwrap().rebuilt);
}

fn indexed(title: &str) -> HashSet<String> {
    let mut tokenizer = Weighted::new();
    let mut stream = tokenizer.token_stream(&format!("{title}{}", section::TITLE));
    let mut terms = HashSet::new();
    while let Some(token) = stream.next() {
        terms.insert(token.text.clone());
    }
    terms
}

#[test]
fn a_word_of_a_title_weighs_more_than_a_pair_across_words() {
    let mut tokenizer = Weighted::new();
    let mut count = |text: &str, term: &str| {
        let mut stream = tokenizer.token_stream(text);
        let mut times = 0;
        while let Some(token) = stream.next() {
            times += usize::from(token.text == term);
        }
        times
    };
    assert_eq!(count("企业登记\u{1}", "登记"), 5);
    assert_eq!(count("企业登记\u{1}", "业登"), 1);
    assert_eq!(count("企业登记\u{3}", "登记"), 2);
    assert_eq!(count("Registered companies\u{2}", "compani"), 4);
    assert_eq!(TOKENIZER, "catalogue");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever part of a title is typed, every term asked for is in the index: so the entry is found.
    #[test]
    fn every_part_of_a_title_is_found(at in 0_usize..200, from in 0_usize..12, len in 2_usize..10) {
        let all = samples();
        let title = fold(&all[at % all.len()].title.zh);
        let part: String = title.chars().skip(from).take(len).collect();
        let asked = query(&part);
        let there = indexed(&title);
        for term in &asked.required {
            prop_assert!(there.contains(term), "{} of {} in {}", term, part, title);
        }
        prop_assert_eq!(asked.required.is_empty(), part.is_empty());
    }

    /// No text makes more terms than the bound, or fails.
    #[test]
    fn any_text_is_a_query(text in "\\PC{0,300}") {
        let asked = query(&text);
        prop_assert!(asked.required.len() <= 32 && asked.optional.len() <= 32);
        let _ = indexed(&text);
    }
}

/// The sections of a text keep their weights whatever a peer writes into it.
#[tokio::test]
async fn control_characters_do_not_lift_an_entry() {
    let (stores, folder) = stores().await;
    let store = &stores[0];
    put(store, "a", samples().swap_remove(0)).await.unwrap();
    let mut other = samples().swap_remove(1);
    other.description.zh = "企业登记\u{1}企业登记\u{1}企业登记\u{1}企业登记\u{1}".to_owned();
    put(store, "a", other).await.unwrap();
    let search = Search::at(folder.path().join("index"));
    search.follow(store).await.unwrap();
    assert_eq!(first(&search, "企业登记").as_deref(), Some("enterprise-base"));
    let entries = crate::entries(&mut store.read().await.unwrap(), None, 10).await.unwrap();
    assert!(entries.iter().all(|it: &Publication| it.organisation == organisation("a")));
}
