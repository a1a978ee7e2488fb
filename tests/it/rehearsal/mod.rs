//! A whole programme by a simulated clock: ninety days of observing, three brownouts, a ramp, a
//! fuse that blows, two exemptions and the cut, before a real old terminator where there is one.
//!
//! At each boundary every family of clients comes a second before it, at it and a second after it.
//! What each saw, what was counted and what was logged has to be what `programme` says.

mod clients;
mod lines;
mod programme;
mod stage;

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use self::{
    programme::{FUSE, Phase, Programme},
    stage::Rehearsal,
};
use crate::{
    cli::output,
    support::{
        hellos::{Hello, families},
        soon,
        terminator::{SAYS, Terminator, installed, note},
    },
};

const PAUSE: &str = r#"{"rollout": "tls", "by": "ann", "why": "support is flooded", "for": "4m"}"#;
const PAUSE_BOTH: &str = r#"{"by": "ann", "why": "support is flooded", "for": "10m"}"#;
const GO_ON: &str = r#"{"by": "ann", "why": "it was something else"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ninety_days_from_the_first_look_to_the_cut() {
    let programme = Programme { year: 2041, home: 100 };
    let rehearsal = Rehearsal::start(programme, Terminator::start().await, false);
    rehearse(rehearsal.await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_programme_with_a_reload_before_every_stage_loosens_nothing() {
    let programme = Programme { year: 2043, home: 110 };
    // So that what stands in for a real terminator is held to the same everywhere.
    let rehearsal = Rehearsal::start(programme, Terminator::stand_in().await, true);
    rehearse(rehearsal.await).await;
}

async fn rehearse(mut rehearsal: Rehearsal) {
    observe(&mut rehearsal).await;
    first_brownout(&mut rehearsal).await;
    recurring_brownout(&mut rehearsal).await;
    partial_brownout(&mut rehearsal).await;
    ramp(&mut rehearsal).await;
    cut(&mut rehearsal).await;
    tells_each_move_once(&mut rehearsal);
    warns_of_what_ends(&mut rehearsal);
    is_reported(rehearsal).await;
}

/// Three weeks in which nobody notices anything.
async fn observe(rehearsal: &mut Rehearsal) {
    let programme = rehearsal.programme;
    let failing = families().iter().filter(|family| family.ecdsa != "pass").count();
    assert!(failing > 10);
    rehearsal.round(programme.at("01-01T00:00:00"), Phase::Observe).await;
    rehearsal.round(programme.at("01-15T12:00:00"), Phase::Observe).await;
    // What an old client gets is a handshake and not only some bytes.
    assert!(rehearsal.greeted_by_terminator() > 40, "{}", rehearsal.greeted_by_terminator());
    shakes_hands(rehearsal, 1, "api.example.com", true).await;
}

/// Half an hour for TLS and plain HTTP; an operator pauses it twice.
async fn first_brownout(rehearsal: &mut Rehearsal) {
    let programme = rehearsal.programme;
    rehearsal.boundary("01-22T10:00:00", Phase::Observe, Phase::Both).await;
    rehearsal.moves(programme.at("01-22T10:10:00")).await;
    rehearsal.order("pause", PAUSE_BOTH).await;
    rehearsal.round(programme.at("01-22T10:10:00"), Phase::Paused).await;
    rehearsal.moves(programme.at("01-22T10:15:00")).await;
    rehearsal.order("resume", GO_ON).await;
    rehearsal.round(programme.at("01-22T10:15:00"), Phase::Both).await;
    // This one ends by itself, and plain HTTP goes on.
    rehearsal.moves(programme.at("01-22T10:16:00")).await;
    rehearsal.order("pause", PAUSE).await;
    rehearsal.boundary("01-22T10:20:00", Phase::PausedTls, Phase::Both).await;
    rehearsal.boundary("01-22T10:30:00", Phase::Both, Phase::Observe).await;
}

/// Ten minutes each six hours. In its second window more clients come than anybody thought.
async fn recurring_brownout(rehearsal: &mut Rehearsal) {
    let programme = rehearsal.programme;
    let all = Phase::Brownout(100);
    window(rehearsal, "02-03T00").await;
    rehearsal.boundary("02-03T06:00:00", Phase::Observe, all).await;
    rehearsal.moves(programme.at("02-03T06:02:00")).await;
    storm(rehearsal).await;
    rehearsal.round(programme.at("02-03T06:02:00"), Phase::Fuse).await;
    for when in ["02-03T06:10:00", "02-03T12:00:00"] {
        rehearsal.boundary(when, Phase::Fuse, Phase::Fuse).await;
    }
    rehearsal.moves(programme.at("02-03T13:00:00")).await;
    rehearsal.order("rearm", GO_ON).await;
    for hour in ["02-03T18", "02-04T18"] {
        window(rehearsal, hour).await;
    }
    rehearsal.round(programme.at("02-05T00:00:00"), Phase::Observe).await;
}

/// The ten minutes after an hour.
async fn window(rehearsal: &mut Rehearsal, hour: &str) {
    let all = Phase::Brownout(100);
    rehearsal.boundary(&format!("{hour}:00:00"), Phase::Observe, all).await;
    rehearsal.boundary(&format!("{hour}:10:00"), all, Phase::Observe).await;
}

/// As many clients as it takes are refused beside those of this window; the next is spared.
async fn storm(rehearsal: &mut Rehearsal) {
    let known = rehearsal.refused(Phase::Brownout(100)).len();
    let hello = Hello::new(0x0301, 0x0301, "002f 0035").extensions("sni 0023").bytes();
    let address = |n: u8| rehearsal.programme.client(4, n / 200, n % 200);
    let crowd: Vec<_> = (0..=254).map(|n| (address(n), hello.clone())).collect();
    let most = FUSE - known;
    assert!(most < crowd.len());
    let total = crowd.len();
    let seen = rehearsal.say_all(crowd).await;
    let refused = seen.iter().filter(|seen| seen.bytes == [0x15, 3, 1, 0, 2, 2, 70]).count();
    assert_eq!(refused, most, "of {total}, with {known} that it had refused before");
    rehearsal.proxy.rollouts().look();
    let fuse = rehearsal.lines.events("fuse");
    assert_eq!((fuse.len(), &fuse[0]["state"]), (1, &"blown".into()));
    assert_eq!(fuse[0]["step"], "rollout.brownouts[1]");
}

/// Two hours for thirty of a hundred networks.
async fn partial_brownout(rehearsal: &mut Rehearsal) {
    let some = Phase::Brownout(30);
    rehearsal.boundary("02-11T10:00:00", Phase::Observe, some).await;
    rehearsal.boundary("02-11T12:00:00", some, Phase::Observe).await;
}

/// Shares only grow; in the middle of it an exemption ends.
async fn ramp(rehearsal: &mut Rehearsal) {
    let mut inside = BTreeSet::new();
    let mut before = Phase::Observe;
    for (when, percent) in [("02-18", 5), ("03-01", 25), ("03-11", 50)] {
        let step = Phase::Ramp(percent);
        rehearsal.boundary(&format!("{when}T00:00:00"), before, step).await;
        let now: BTreeSet<_> = rehearsal.refused(step).into_iter().map(str::to_owned).collect();
        assert!(now.is_superset(&inside) && now.len() > inside.len(), "{percent}");
        assert!(!now.contains("acme") && !now.contains("globex"), "{percent}");
        (inside, before) = (now, step);
        // The watch looks at exemptions once a minute.
        let at = rehearsal.programme.at(&format!("{when}T00:01:00"));
        rehearsal.round(at, step).await;
        let warned = rehearsal.lines.events("exemption");
        let warned = warned.iter().any(|line| line["state"] == "ends_soon");
        assert_eq!(warned, percent > 5, "fourteen days before its end, and not earlier");
    }
    rehearsal.boundary("03-15T00:00:00", before, before).await;
    let now = rehearsal.refused(before);
    assert!(now.contains(&"acme") && !now.contains(&"globex"));
    assert_eq!(now.len(), inside.len() + 1);
}

/// Everybody, but for the exemption that goes on.
async fn cut(rehearsal: &mut Rehearsal) {
    let programme = rehearsal.programme;
    rehearsal.boundary("03-25T09:00:00", Phase::Ramp(50), Phase::Cut).await;
    rehearsal.round(programme.at("04-01T00:00:00"), Phase::Cut).await;
    shakes_hands(rehearsal, 1, "api.example.com", false).await;
    shakes_hands(rehearsal, 3, programme::GLOBEX, true).await;
}

/// The whole handshake of a real TLS 1.0 client, where this machine has one.
async fn shakes_hands(rehearsal: &mut Rehearsal, block: u8, sni: &'static str, served: bool) {
    let from = rehearsal.programme.client(block, 0, 99);
    let Some(openssl) = installed("openssl").filter(|_| rehearsal.terminator.is_real()) else {
        return;
    };
    let shake = async |to: std::net::SocketAddr| {
        let mut command = std::process::Command::new(&openssl);
        command.args(["s_client", "-tls1", "-cipher", "DEFAULT@SECLEVEL=0", "-ign_eof", "-quiet"]);
        command.args(["-servername", sni, "-connect", &to.to_string()]);
        command.args(["-bind", &format!("{from}:0")]).stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let shaken = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let sent = std::io::Write::write_all(&mut stdin, b"GET / HTTP/1.0\r\n\r\n");
            let output = child.wait_with_output().unwrap();
            // One that was refused at once reads nothing.
            drop(sent);
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        });
        soon(shaken).await.unwrap()
    };
    let greeting = format!("{SAYS}TLSv1");
    if !shake(rehearsal.terminator.address).await.contains(&greeting) {
        note("this openssl does not speak TLS 1.0");
        return;
    }
    let said = shake(rehearsal.proxy.https).await;
    rehearsal.made += 1;
    assert_eq!(said.contains(&greeting), served, "{said}");
    assert_eq!(said.contains("tlsv1 alert protocol version"), !served, "{said}");
}

/// The report over the log of all ninety days knows every connection, and of each client how often
/// it came and was refused.
async fn is_reported(rehearsal: Rehearsal) {
    let Rehearsal { proxy, mut lines, made, tally, programme, .. } = rehearsal;
    soon(proxy.drain()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.text()).unwrap();
    let path = file.path().to_str().unwrap();
    let (code, out, err) = output(&["report", "--format", "json", path]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["connections"], made, "all that were made");
    assert_eq!(answer["failed"], answer["below"], "totals and census agree");
    assert_eq!((&answer["below_other"], &answer["damaged"]["count"]), (&0.into(), &0.into()));
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
    let who: HashMap<_, _> = answer["who"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let (came, refused) = (number(line, "connections"), number(line, "refused"));
            (line["who"].as_str().unwrap(), (came, refused))
        })
        .collect();
    for (client, came) in &tally {
        assert_eq!(who.get(client.as_str()), Some(came), "{client}");
    }
    assert_eq!(answer["stage"]["stage"], "cut");
    assert_eq!(answer["stage"]["since"], programme.at("03-25T09:00:00").to_string());
    let brownout = &answer["since_brownout"]["brownout"];
    assert_eq!(brownout["from"], programme.at("02-11T10:00:00").to_string());
    assert_eq!(brownout["to"], programme.at("02-11T12:00:00").to_string());
    let uses = |owner: &str| {
        let all = answer["exemptions"].as_array().unwrap();
        number(all.iter().find(|one| one["owner"] == owner).unwrap(), "uses")
    };
    let (came, refused) = tally[&programme.acme().to_string()];
    assert!(refused > 0);
    assert_eq!(uses("acme"), came - refused);
    assert!(uses("globex") >= tally[&programme.client(3, 0, 1).to_string()].0);
}

fn tells_each_move_once(rehearsal: &mut Rehearsal) {
    let stages = rehearsal.lines.events("stage");
    let told: Vec<_> = stages
        .iter()
        .filter(|line| line["rollout"] == "rollout")
        .map(|line| {
            let word = |key: &str| line[key].as_str().unwrap();
            let at = &word("at")[5..];
            format!("{at} {}>{} {} {}", word("from"), word("to"), line["percent"], word("by"))
        })
        .collect();
    assert_eq!(told, MOVES);
    assert!(stages.iter().all(|line| line["loosens"].is_null()), "nothing loosens");
}

const MOVES: &[&str] = &[
    "01-01T00:00:00Z observe>observe 0 schedule",
    "01-22T10:00:00Z observe>brownout 100 schedule",
    "01-22T10:10:00Z brownout>observe 0 paused",
    "01-22T10:15:00Z observe>brownout 100 schedule",
    "01-22T10:16:00Z brownout>observe 0 paused",
    "01-22T10:20:00Z observe>brownout 100 schedule",
    "01-22T10:30:00Z brownout>observe 0 schedule",
    "02-03T00:00:00Z observe>brownout 100 schedule",
    "02-03T00:10:00Z brownout>observe 0 schedule",
    "02-03T06:00:00Z observe>brownout 100 schedule",
    "02-03T06:02:00Z brownout>observe 0 fuse",
    "02-03T06:10:00Z observe>observe 0 schedule",
    "02-03T12:00:00Z observe>observe 0 fuse",
    "02-03T12:10:00Z observe>observe 0 schedule",
    "02-03T18:00:00Z observe>brownout 100 schedule",
    "02-03T18:10:00Z brownout>observe 0 schedule",
    "02-04T18:00:00Z observe>brownout 100 schedule",
    "02-04T18:10:00Z brownout>observe 0 schedule",
    "02-11T10:00:00Z observe>brownout 30 schedule",
    "02-11T12:00:00Z brownout>observe 0 schedule",
    "02-18T00:00:00Z observe>ramp 5 schedule",
    "03-01T00:00:00Z ramp>ramp 25 schedule",
    "03-11T00:00:00Z ramp>ramp 50 schedule",
    "03-25T09:00:00Z ramp>cut 100 schedule",
];

fn warns_of_what_ends(rehearsal: &mut Rehearsal) {
    let exemptions = rehearsal.lines.events("exemption");
    let told = |state: &str| -> Vec<_> {
        let of_state = exemptions.iter().filter(|line| line["state"] == state);
        of_state.map(|line| line["owner"].as_str().unwrap()).collect()
    };
    assert_eq!(told("ends_soon"), ["acme"]);
    assert_eq!(told("ended"), ["acme"]);
    assert!(told("used").contains(&"globex"));
}
