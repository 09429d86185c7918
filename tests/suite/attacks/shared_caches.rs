//! A cache in front of us that many people share.

use world::{
    World,
    caller::{Caller, Form},
    scripted::{Scripted, answer},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "one_persons_page_for_another",
    fault: "shared-cache-keeps-it",
    run: || Box::pin(one_persons_page_for_another()),
}];

/// What services say about caching without a thought for whom the answer is.
const SAID: [&str; 12] = [
    "",
    "Cache-Control: public, max-age=60\r\n",
    "Cache-Control: max-age=60\r\n",
    "Cache-Control: s-maxage=600\r\n",
    "Cache-Control: public\r\nCache-Control: private\r\n",
    "Cache-Control: private=\"set-cookie\", max-age=60\r\n",
    "Cache-Control: ext=\"a, private, no-store\"\r\n",
    "Expires: Thu, 01 Jan 2099 00:00:00 GMT\r\n",
    "Cache-Control: private\r\nCDN-Cache-Control: public, max-age=60\r\n",
    "Cache-Control: no-store\r\nSurrogate-Control: max-age=60\r\n",
    "Cache-Control: private\r\nX-Accel-Expires: 60\r\n",
    "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nCloudflare-CDN-Cache-Control: max-age=60\r\n",
];

/// Answers to somebody known that a cache would keep, and give to the next who asks.
async fn one_persons_page_for_another() -> Probes {
    let mut world = World::new().prepare().await;
    let service = Scripted::before(world.monolith.address()).await;
    world.settings.replace(&world.proxies.monolith.base(), &service.base());
    world.start_gateway().await;
    let token = world.token("display-4.12");
    world.warm_up(&mut Caller::bearing(Form::Script, &token), "/api/x").await;
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    let mut display = Caller::bearing(Form::Script, &token);
    let mut probes = Probes::default();
    for (number, said) in SAID.into_iter().enumerate() {
        for status in ["200 OK", "206 Partial Content", "304 Not Modified", "404 Not Found", "301 Moved Permanently"] {
            for path in ["/page", "/public/page", "/api/page"] {
                let caller = if path == "/api/page" { &mut display } else { &mut person };
                let path = format!("{path}/{number}/{}", &status[..3]);
                let body = if status.starts_with("304") { "" } else { "for one" };
                let fields = format!("{said}ETag: \"1\"\r\nLocation: /elsewhere\r\n");
                service.say(&path, answer(status, &fields, body));
                let heard = world.ask(caller, &path).await;
                let seen = heard.answer.as_ref().expect("an answer");
                assert_eq!(seen.status.as_str(), &status[..3], "{path}: {}", heard.line());
                let kept = is_kept(seen.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
                probes.made(kept, || format!("{status} with {said:?} at {path}: {:?}", seen.headers));
            }
        }
    }
    probes
}

/// Whether some shared cache would keep an answer with these fields: the strictest reading of all of them.
pub(super) fn is_kept<'f>(fields: impl Iterator<Item = (&'f str, &'f [u8])>) -> bool {
    let (mut forbidden, mut allowed) = (false, false);
    for (name, value) in fields {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        if name == "cache-control" {
            // No quoted string holds a comma that ends it: what is in quotes is nobody's directive.
            let bare: String = value.split('"').step_by(2).collect();
            let directives: Vec<&str> = bare.split(',').map(str::trim).collect();
            forbidden |= directives.iter().any(|it| matches!(*it, "private" | "no-store"));
            allowed |= directives.iter().any(|it| *it == "public" || it.starts_with("s-maxage"));
        } else {
            allowed |= name.ends_with("-cache-control") || matches!(name, "surrogate-control" | "x-accel-expires");
        }
    }
    allowed || !forbidden
}
