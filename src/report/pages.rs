//! The answer in words: what each section says.
//!
//! Short sentences that stand for themselves, because they are pasted into mails. Figures come
//! from `answer`; nothing is computed here but shares.

use super::{
    By,
    answer::{Answer, Count, Day, Since, StackSum},
    headline::headline,
    who::Line,
};
use crate::{
    document::{
        Document, Plot, Section, Table,
        figures::{counted, duration, percent, short, thousands},
    },
    label::Label,
    stack::Layer,
};

/// Days that stand in a table; a plot has all.
const DAYS: usize = 31;

/// A report for people, `top` lines long where a list may be longer.
pub(super) fn pages(answer: &Answer<'_>, top: usize) -> Document {
    let mut sections = vec![who(answer, top), trend(&answer.days)];
    sections.push(shares("By reason", "reason", &answer.reasons, answer.below));
    sections.push(shares("By highest version offered", "offered", &answer.offered, answer.below));
    sections.push(shares("What happens to them", "lane", &answer.lanes, answer.below));
    sections.push(stacks(answer));
    sections.push(rollout(answer));
    sections.push(exemptions(answer));
    sections.push(policies(answer));
    sections.extend(answer.stacks.iter().map(remedy));
    sections.retain(|section| !section.sentences.is_empty() || !section.table.rows.is_empty());
    Document {
        title: "TLS floor report".to_owned(),
        headline: headline(answer),
        notes: notes(answer),
        sections,
    }
}

fn notes(answer: &Answer<'_>) -> Vec<String> {
    let mut notes = vec![format!("From {} to {} UTC.", answer.from.short(), answer.to.short())];
    if answer.connections.is_none() {
        notes.push(
            "The logs have no \"totals\" rows, so the share of all traffic is not known.".into(),
        );
    }
    if let Some(failed) = answer.failed.filter(|_| answer.policy == super::FLOOR)
        && failed != answer.below
    {
        notes.push(format!(
            "Totals count {} below the floor, the census {}: lines of a log are missing.",
            thousands(failed),
            thousands(answer.below)
        ));
    }
    if answer.below_other > 0 {
        notes.push(format!(
            "{} of them are of clients for which a table had no room; they stand under \"other\".",
            thousands(answer.below_other)
        ));
    }
    if answer.damaged.count > 0 {
        let lines = counted(answer.damaged.count, "damaged line");
        notes.push(format!("{lines} left out."));
    }
    notes
}

fn who(answer: &Answer<'_>, top: usize) -> Section {
    let by = answer.by;
    let first = match by {
        By::Client => "client",
        By::Network => "network",
        By::Sni => "host name",
        By::Stack => "stack",
    };
    let titles = [
        first,
        "name",
        "contact",
        "#clients",
        "#connections",
        "#refused",
        "last seen",
        "offers",
        "stack",
    ];
    let rest = answer.who.len().saturating_sub(top);
    let mut sentences = Vec::new();
    if rest > 0 {
        sentences.push(format!(
            "The {top} with most connections, of {}; --top and --format csv have more.",
            thousands(u64::try_from(answer.who.len()).unwrap_or(u64::MAX))
        ));
    }
    Section {
        heading: format!("Who: by {first}"),
        sentences,
        table: Table::new(&titles)
            .with(answer.who.first(top).map(|line| one(line, by)))
            .without_empty(),
        ..Section::default()
    }
}

/// The cells of one who fails.
fn one(line: Line<'_>, by: By) -> Vec<String> {
    let clients = if by == By::Client { String::new() } else { thousands(line.clients) };
    let key = if line.key.is_empty() { "(none)" } else { line.key };
    vec![
        key.to_owned(),
        line.name.to_owned(),
        line.contact.to_owned(),
        clients,
        thousands(line.connections),
        thousands(line.refused),
        line.last_seen.date(),
        line.offered,
        line.stack,
    ]
}

fn trend(days: &[Day]) -> Section {
    let cells = |day: &Day| {
        let all = day.connections;
        let share = if all > 0 { percent(day.below, all) } else { String::new() };
        let all = if all > 0 { thousands(all) } else { String::new() };
        vec![day.day.clone(), thousands(day.below), all, share]
    };
    let titles = ["day (UTC)", "#below", "#connections", "#share"];
    let skipped = days.len().saturating_sub(DAYS);
    let sentences = (skipped > 0).then(|| format!("The last {DAYS} days of {}.", days.len()));
    Section {
        heading: "Trend by day".to_owned(),
        sentences: sentences.into_iter().collect(),
        plot: Some(Plot::Days(days.iter().map(|day| (day.day.clone(), day.below)).collect())),
        table: Table::new(&titles).with(days.iter().skip(skipped).map(cells)).without_empty(),
        ..Section::default()
    }
}

fn shares(heading: &str, title: &'static str, counts: &[Count<'_>], all: u64) -> Section {
    let cells = |count: &Count<'_>| {
        let share = percent(count.connections, all);
        vec![count.word.to_owned(), thousands(count.connections), share]
    };
    let bars = counts.iter().map(|count| (count.word.to_owned(), count.connections)).collect();
    Section {
        heading: heading.to_owned(),
        plot: (counts.len() > 1).then_some(Plot::Bars(bars)),
        table: Table::new(&[title, "#connections", "#share"]).with(counts.iter().map(cells)),
        ..Section::default()
    }
}

fn stacks(answer: &Answer<'_>) -> Section {
    let cells = |sum: &StackSum| {
        let looks = sum.looks_like.strip_prefix("looks like ").unwrap_or(sum.looks_like);
        let numbers = [thousands(sum.connections), thousands(sum.clients)];
        let [connections, clients] = numbers;
        let remedy = sum.remedy.fix.clone();
        vec![sum.stack.to_string(), looks.to_owned(), connections, clients, remedy]
    };
    let bars = answer.stacks.iter().map(|sum| (sum.stack.to_string(), sum.connections)).collect();
    Section {
        heading: "By stack, and what its owner has to do".to_owned(),
        plot: (answer.stacks.len() > 1).then_some(Plot::Bars(bars)),
        table: Table::new(&["stack", "looks like", "#connections", "#clients", "remedy"])
            .with(answer.stacks.iter().map(cells)),
        ..Section::default()
    }
}

fn rollout(answer: &Answer<'_>) -> Section {
    let mut sentences = Vec::new();
    if let Some(now) = answer.stage {
        sentences.push(format!(
            "The rollout is at \"{}\" since {} UTC.",
            now.stage,
            now.since.short()
        ));
    }
    let mut section =
        Section { heading: "Since the last brownout".to_owned(), ..Section::default() };
    if let Some(since) = &answer.since_brownout {
        sentences.push(brownout(since));
        sentences.push(format!(
            "{} vanished, {} came back, {} new since.",
            counted(since.vanished, "client"),
            thousands(since.back),
            thousands(since.new)
        ));
        section.table = changes(since);
    }
    Section { sentences, ..section }
}

fn brownout(since: &Since<'_>) -> String {
    let brownout = &since.brownout;
    let share = brownout.percent.map_or_else(String::new, |percent| format!(" of {percent} %"));
    let Some(to) = brownout.to else {
        return format!("A brownout{share} has been running since {} UTC.", brownout.from.short());
    };
    let [before, after] = [&since.before, &since.after];
    let length = |from: u32, to: u32| duration(to.saturating_sub(from));
    let lasted = length(brownout.from.0, to.0);
    let began = brownout.from.short();
    if after.from == after.to {
        return format!(
            "The last brownout{share} began {began} UTC and lasted {lasted}; nothing is logged after it yet."
        );
    }
    format!(
        "The last brownout{share} began {began} UTC and lasted {lasted}. In the {} before it {:.1} connections an hour were below, in the {} after it {:.1}.",
        length(before.from.0, before.to.0),
        before.below_per_hour,
        length(after.from.0, after.to.0),
        after.below_per_hour
    )
}

fn changes(since: &Since<'_>) -> Table {
    let all = [("vanished", &since.most_vanished), ("came back", &since.most_back)];
    let rows = all.into_iter().flat_map(|(what, clients)| {
        clients.iter().map(move |client| {
            let (connections, seen) = (thousands(client.connections), client.last_seen.short());
            vec![
                what.to_owned(),
                client.client.to_owned(),
                client.name.to_owned(),
                connections,
                seen,
            ]
        })
    });
    let titles = ["since then", "client", "name", "#connections", "last seen"];
    Table::new(&titles).with(rows).without_empty()
}

fn exemptions(answer: &Answer<'_>) -> Section {
    let all = &answer.exemptions;
    let unused = all.iter().filter(|exemption| exemption.uses == 0).count();
    let mut sentences = Vec::new();
    if unused > 0 {
        let unused = u64::try_from(unused).unwrap_or(u64::MAX);
        sentences.push(format!("{} unused: they can go.", counted(unused, "exemption")));
    }
    let rows = all.iter().map(|exemption| {
        let used = exemption.last_used.map_or_else(|| "unused".to_owned(), |at| at.short());
        let uses = thousands(exemption.uses);
        let [name, owner, expires, state] =
            [&exemption.exemption, &exemption.owner, &exemption.expires, &exemption.state];
        vec![name.clone(), owner.clone(), uses, used, expires.clone(), state.clone()]
    });
    let titles = ["exemption", "owner", "#uses", "last used", "expires", "state"];
    Section {
        heading: "Exemptions".to_owned(),
        sentences,
        table: Table::new(&titles).with(rows).without_empty(),
        ..Section::default()
    }
}

/// Only where there is more than one to speak of.
fn policies(answer: &Answer<'_>) -> Section {
    let others = answer.policies.iter().any(|policy| policy.word != answer.policy);
    let counts: &[Count<'_>] = if others { &answer.policies } else { &[] };
    let whole = answer.connections;
    let rows = counts.iter().map(|count| {
        let share = whole.map_or_else(String::new, |whole| percent(count.connections, whole));
        vec![count.word.to_owned(), short(count.connections), share]
    });
    Section {
        heading: "What fails each policy".to_owned(),
        table: Table::new(&["policy", "#connections", "#share"]).with(rows).without_empty(),
        ..Section::default()
    }
}

fn remedy(sum: &StackSum) -> Section {
    let layers = Layer::ALL
        .iter()
        .map(|layer| vec![layer.title().to_owned(), sum.remedy.layer(*layer).to_owned()]);
    let mut heading = sum.looks_like.to_owned();
    if let Some(first) = heading.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Section {
        heading,
        sentences: vec![sum.remedy.what.clone()],
        table: Table::new(&["layer", "what to do"]).with(layers),
        roomy: true,
        links: sum.remedy.links.clone(),
        ..Section::default()
    }
}
