//! The catalogue as DCAT-AP 3 in JSON-LD, for CKAN harvesters, data.europa.eu and whoever reads RDF.
//!
//! Pure. DCAT has no place for the sharing type (共享类型): it goes into `dcterms:accessRights` (EU vocabulary) as far as
//! that can say it, into an ODRL policy, and exactly into `yunhe:sharingType`.

use crate::{Entry, Publication, format_class};
use policy::Sharing;
use schema::Cycle;
use serde_json::{Value, json};
use vocabulary::{Bilingual, OrganisationId, ResourceId};

/// The namespace of what DCAT has no word for.
pub const YUNHE: &str = "https://yunhe.example/ns/catalogue#";
const ACCESS_RIGHT: &str = "http://publications.europa.eu/resource/authority/access-right/";
const FREQUENCY: &str = "http://publications.europa.eu/resource/authority/frequency/";
const FILE_TYPE: &str = "http://publications.europa.eu/resource/authority/file-type/";

/// What is said about the catalogue as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its address, without a slash at the end; datasets lie below it.
    pub address: String,
    /// Its title.
    pub title: Bilingual,
    /// What it is.
    pub description: Bilingual,
    /// Who publishes it.
    pub publisher: Bilingual,
}

/// A catalogue with its datasets, as one JSON-LD document.
pub fn catalogue(about: &About, publications: &[Publication]) -> Value {
    let address = &about.address;
    let datasets: Vec<Value> =
        publications.iter().map(|it| json!({"@id": address_of(address, &it.organisation, &it.entry.entry)})).collect();
    let mut graph = vec![json!({
        "@id": format!("{address}/"),
        "@type": "dcat:Catalog",
        "dcterms:title": texts(&about.title),
        "dcterms:description": texts(&about.description),
        "dcterms:publisher": agent(&format!("{address}/publisher"), &about.publisher),
        "dcterms:language": [{"@id": "http://publications.europa.eu/resource/authority/language/ZHO"},
                             {"@id": "http://publications.europa.eu/resource/authority/language/ENG"}],
        "dcat:dataset": datasets,
    })];
    graph.extend(publications.iter().map(|it| dataset(address, it)));
    json!({"@context": context(), "@graph": graph})
}

/// The prefixes.
pub fn context() -> Value {
    json!({
        "dcat": "http://www.w3.org/ns/dcat#",
        "dcterms": "http://purl.org/dc/terms/",
        "foaf": "http://xmlns.com/foaf/0.1/",
        "adms": "http://www.w3.org/ns/adms#",
        "odrl": "http://www.w3.org/ns/odrl/2/",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "yunhe": YUNHE,
    })
}

/// One entry as a `dcat:Dataset`.
pub fn dataset(address: &str, publication: &Publication) -> Value {
    let entry = &publication.entry;
    let own = address_of(address, &publication.organisation, &entry.entry);
    let mut dataset = json!({
        "@id": own,
        "@type": "dcat:Dataset",
        "dcterms:title": texts(&entry.title),
        "dcterms:description": texts(&entry.description),
        "dcterms:identifier": entry.code,
        "dcterms:publisher": agent(&format!("{address}/organisation/{}", publication.organisation), &entry.provider),
        "dcterms:issued": {"@type": "xsd:date", "@value": entry.published.to_string()},
        "dcterms:accrualPeriodicity": {"@id": format!("{FREQUENCY}{}", frequency(entry.cycle))},
        "dcterms:accessRights": {"@id": format!("{ACCESS_RIGHT}{}", access_right(entry))},
        "dcat:theme": {"@id": format!("{address}/theme/{}", entry.theme), "@type": "skos:Concept",
                       "skos:prefLabel": {"@language": "en", "@value": entry.theme}},
        "dcat:version": publication.revision.to_string(),
        "dcat:keyword": entry.keywords.iter().map(|it| keyword(it)).collect::<Vec<_>>(),
        "dcat:distribution": entry.formats.iter().map(|it| distribution(&own, entry, it)).collect::<Vec<_>>(),
        "odrl:hasPolicy": policy(&own, entry),
        "yunhe:sharingType": word(entry.share),
        "yunhe:grade": entry.grade,
        "yunhe:class": entry.class,
        "yunhe:openToPublic": entry.open,
        "yunhe:item": entry.items.iter().map(|it| json!({
            "yunhe:title": texts(&it.title),
            "yunhe:type": it.kind.letter().to_string(),
        })).collect::<Vec<_>>(),
    });
    if let Some(condition) = &entry.condition {
        dataset["yunhe:sharingCondition"] = texts(condition);
    }
    if !entry.related.is_empty() {
        let related = entry.related.iter().map(|it| json!({"@id": address_of(address, &publication.organisation, it)}));
        dataset["dcterms:relation"] = related.collect();
    }
    if entry.synthetic {
        dataset["yunhe:synthetic"] = json!(true);
    }
    dataset
}

fn address_of(address: &str, organisation: &OrganisationId, entry: &ResourceId) -> String {
    format!("{address}/entries/{organisation}/{entry}")
}

fn texts(text: &Bilingual) -> Value {
    json!([{"@language": "zh", "@value": text.zh}, {"@language": "en", "@value": text.en}])
}

fn agent(id: &str, name: &Bilingual) -> Value {
    json!({"@id": id, "@type": "foaf:Agent", "foaf:name": texts(name)})
}

fn keyword(word: &str) -> Value {
    let language = if word.is_ascii() { "en" } else { "zh" };
    json!({"@language": language, "@value": word})
}

/// DCAT-AP asks for an address of access; what is not shared has none but its own page.
fn distribution(own: &str, entry: &Entry, format: &str) -> Value {
    let mut distribution = json!({
        "@id": format!("{own}#{format}"),
        "@type": "dcat:Distribution",
        "dcat:accessURL": {"@id": own},
        "dcterms:format": {"@id": format!("{FILE_TYPE}{}", format.to_uppercase())},
        "yunhe:formatClass": texts(&format_class(format)),
    });
    if let Some(offer) = &entry.offer {
        distribution["yunhe:offer"] = json!(offer);
    }
    distribution
}

fn word(share: Sharing) -> &'static str {
    match share {
        Sharing::Unconditional => "unconditional",
        Sharing::Conditional => "conditional",
        Sharing::Refused => "refused",
    }
}

/// `PUBLIC` is what anybody may have; sharing between departments is never that.
fn access_right(entry: &Entry) -> &'static str {
    match entry.share {
        _ if entry.open => "PUBLIC",
        Sharing::Refused => "NON_PUBLIC",
        Sharing::Unconditional | Sharing::Conditional => "RESTRICTED",
    }
}

fn policy(own: &str, entry: &Entry) -> Value {
    let target = json!({"@id": own});
    let action = json!({"@id": "odrl:use"});
    let mut rule = json!({"odrl:target": target, "odrl:action": action});
    let kind = match entry.share {
        Sharing::Unconditional => "odrl:permission",
        Sharing::Conditional => {
            rule["odrl:duty"] = json!({"odrl:action": {"@id": "odrl:obtainConsent"}});
            "odrl:permission"
        }
        Sharing::Refused => "odrl:prohibition",
    };
    json!({"@id": format!("{own}#policy"), "@type": "odrl:Set", kind: rule})
}

fn frequency(cycle: Cycle) -> &'static str {
    match cycle {
        Cycle::Realtime => "UPDATE_CONT",
        Cycle::Daily => "DAILY",
        Cycle::Weekly => "WEEKLY",
        Cycle::Monthly => "MONTHLY",
        Cycle::Quarterly => "QUARTERLY",
        Cycle::HalfYearly => "ANNUAL_2",
        Cycle::Yearly => "ANNUAL",
        Cycle::Irregular => "IRREG",
    }
}
