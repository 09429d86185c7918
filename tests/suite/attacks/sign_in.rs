//! Links and forms that lead a person into, or out of, a session.

use gateway::demo::browser::SeenPage;
use world::{
    World,
    caller::{Caller, Form},
    raw,
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "return_addresses_elsewhere", fault: "any-return-address", run: || Box::pin(return_addresses()) },
    Attack { name: "logout_from_another_site", fault: "any-site-may-post", run: || Box::pin(logout_from_elsewhere()) },
    Attack {
        name: "sessions_that_outlive_a_logout",
        fault: "offline-by-default",
        run: || Box::pin(offline_sessions()),
    },
];

/// Links to sign-in that end on another site, or sign the person out again.
async fn return_addresses() -> Probes {
    let world = World::new().start().await;
    let mut probes = Probes::default();
    for address in [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "/%5cevil.example/",
        "/%2fevil.example/",
        "/.candor/logout",
        "/calendar/..//evil.example/",
    ] {
        let mut person = Caller::new(Form::Browser);
        let mut link = world.url("/.candor/login");
        link.query_pairs_mut().append_pair("return_to", address);
        let Ok(callback) = world.try_until_callback_from(&mut person, "ada", &link).await else {
            probes.made(false, String::new);
            continue;
        };
        let seen = person.browser().get(&callback).await.expect("the callback is answered");
        let to = seen.location();
        let away = to.as_ref().is_some_and(|to| {
            to.origin() != world.url("/").origin()
                || to.path().starts_with("//")
                || to.path().contains("evil.example")
                || to.path() == "/.candor/logout"
        });
        probes.made(away, || format!("return_to={address} led to {to:?}"));
    }
    probes
}

/// Forms on other sites that sign a person out.
async fn logout_from_elsewhere() -> Probes {
    let world = World::new().start().await;
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    let ticket = person.browser().cookie(&world.url("/"), "candor").expect("signed in").to_owned();
    let host = world.url("/").authority().to_owned();
    let mut probes = Probes::default();
    for origin in [
        "",
        "Origin: null\r\n",
        "Origin: http://evil.example\r\n",
        "Origin: https://127.0.0.1\r\n",
        "Origin: @OURS.evil.example\r\n",
        "Origin: http://evil.example\r\nOrigin: @OURS\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: same-origin\r\n",
        "Referer: @OURS/\r\n",
    ] {
        let fields = format!("Cookie: candor={ticket}\r\n{origin}").replace("@OURS", &format!("http://{host}"));
        let heard = raw::ask(&host, raw::request("POST", "/.candor/logout", &host, &fields, "")).await;
        let after = world.ask(&mut person, "/calendar").await;
        let signed_out = heard.status() == Some(200) || after.identities().is_empty();
        probes.made(signed_out, || format!("{origin:?}: {:?}, then {}", heard.status(), after.line()));
    }
    probes
}

/// Ways to begin a sign-in that leave a session at the provider which outlives signing out there, though nobody
/// configured one.
async fn offline_sessions() -> Probes {
    let mut world = World::new().prepare().await;
    world.settings.replace("scopes = [\"openid\", \"profile\"]\n", "");
    world.start_gateway().await;
    let mut probes = Probes::default();
    for begin in [
        "/calendar",
        "/.candor/login",
        "/.candor/login?return_to=/calendar",
        "/.candor/login?provider=pretend&scope=offline_access",
        "/.candor/login?return_to=/calendar&prompt=consent&access_type=offline",
    ] {
        let mut person = Caller::new(Form::Browser);
        let link = world.url("/").join(begin).expect("an address");
        let mut seen = person.browser().get(&link).await;
        if let Some(login) = seen.as_ref().ok().and_then(SeenPage::location).filter(|to| to.path() == "/.candor/login")
        {
            seen = person.browser().get(&login).await;
        }
        let asked = seen.ok().and_then(|seen| seen.location());
        let offline = asked.as_ref().is_some_and(|to| to.query_pairs().any(|(_, value)| value.contains("offline")));
        probes.made(offline, || format!("{begin} asked the provider for {asked:?}"));
    }
    probes
}
