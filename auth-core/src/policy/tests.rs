use super::*;
use crate::{
    clock::Timestamp,
    dependency::Dependency,
    principal::{Freshness, Groups, Kind, Roles, UserName},
    verdict::Uncertainty,
};

const NOON: Timestamp = Timestamp::from_secs(43_200);

fn ada() -> Principal {
    Principal {
        kind: Kind::User,
        subject: Subject::new("https://idp.example", "ada"),
        tenant: Some("acme".into()),
        user_name: UserName::Subject,
        name: None,
        preferred_username: None,
        email: None,
        roles: Roles::known(["editor".to_owned()]),
        groups: Groups::known(["staff".to_owned()]),
        session: None,
        device: None,
        begun: Timestamp::default(),
        until: NOON + Duration::from_secs(3600),
        freshness: Freshness::Live,
    }
}

fn asked(allow: &[Allow], max_stale: MaxStale, who: Principal) -> &'static str {
    let requirement = Requirement::new(RequirementId(3), allow.to_vec(), max_stale);
    match permit(Verdict::Authenticated(who), &requirement, Now::at(NOON)) {
        Ok(Permit { holder: Holder::Known(_), requirement: RequirementId(3) }) => "known",
        Ok(Permit { holder: Holder::Anyone, .. }) => "anyone",
        Ok(Permit { holder: Holder::Lapsed, .. }) => "lapsed",
        Ok(Permit { holder: Holder::Undecided(_), .. }) => "undecided",
        Ok(Permit { .. }) => "a permit for another route",
        Err(Stop::Rejected(rejected)) => rejected.reason().as_str(),
        Err(Stop::Unavailable(unavailable)) => unavailable.dependency.as_str(),
    }
}

#[test]
fn any_one_alternative_suffices() {
    let check = |allow: &[Allow], expected| assert_eq!(asked(allow, MaxStale::DEFAULT, ada()), expected, "{allow:?}");
    check(&[Allow::kind(Kind::User)], "known");
    check(&[Allow::kind(Kind::Device)], "not-permitted");
    check(&[Allow::kind(Kind::Device), Allow::group("staff")], "known");
    check(&[Allow::group("board")], "not-permitted");
    check(&[Allow::role("editor")], "known");
    check(&[Allow::tenant("acme")], "known");
    check(&[Allow::tenant("other")], "not-permitted");
    check(&[Allow::Anyone], "known");
    check(&[], "not-permitted");
}

#[test]
fn one_issuers_word_is_not_anothers() {
    let from = |is: Attribute, issuer: &str| Allow::Known { is, from: Some(issuer.into()) };
    let check = |is: Attribute, who: &Principal, expected, from_another| {
        let of = |issuer: &str| asked(&[from(is.clone(), issuer)], MaxStale::DEFAULT, who.clone());
        assert_eq!((of("https://idp.example"), of("https://other.example")), (expected, from_another), "{is:?}");
    };
    let ada = ada();
    check(Attribute::Kind(Kind::User), &ada, "known", "not-permitted");
    check(Attribute::Group("staff".into()), &ada, "known", "not-permitted");
    check(Attribute::Role("editor".into()), &ada, "known", "not-permitted");
    check(Attribute::Tenant("acme".into()), &ada, "known", "not-permitted");
    check(Attribute::Group("board".into()), &ada, "not-permitted", "not-permitted");
    let silent = Principal { groups: Groups::NotStated(Silence::Absent), ..ada };
    check(Attribute::Group("staff".into()), &silent, "claims", "not-permitted");
}

#[test]
fn what_nobody_stated_refuses_nobody() {
    let (staff, editor) = (Allow::group("staff"), Allow::role("editor"));
    let check = |allow: &[Allow], who: &Principal, expected| {
        assert_eq!(asked(allow, MaxStale::DEFAULT, who.clone()), expected, "{allow:?} {who:?}");
    };
    for silence in [Silence::Absent, Silence::NotAsked, Silence::StatedBefore, Silence::Unlisted] {
        let groupless = Principal { groups: Groups::NotStated(silence), ..ada() };
        check(std::slice::from_ref(&staff), &groupless, "claims");
        check(&[staff.clone(), editor.clone()], &groupless, "known");
        check(&[staff.clone(), Allow::tenant("other")], &groupless, "claims");
        let roleless = Principal { roles: Roles::NotStated(silence), ..ada() };
        check(std::slice::from_ref(&editor), &roleless, "claims");
        check(&[editor.clone(), staff.clone()], &roleless, "known");
        // A program is in no group, whatever its token states.
        let program = Principal { kind: Kind::Service, session: None, ..groupless };
        check(std::slice::from_ref(&staff), &program, "not-permitted");
    }
    let none = Principal { groups: Groups::known([]), roles: Roles::known([]), ..ada() };
    check(&[staff, editor], &none, "not-permitted");
}

#[test]
fn what_was_not_stated_is_no_outage_and_names_the_line_to_add() {
    let said = |who: Principal| {
        let allow = vec![Allow::group("staff"), Allow::role("admin")];
        let requirement = Requirement::new(RequirementId(3), allow, MaxStale::DEFAULT);
        match permit(Verdict::Authenticated(who), &requirement, Now::at(NOON)) {
            Err(Stop::Unavailable(unavailable)) => (unavailable.uncertainty(), unavailable.to_string()),
            other => panic!("{other:?}"),
        }
    };
    let absent = Groups::NotStated(Silence::Absent);
    let session = Some(crate::principal::SessionId::from_bytes([7; 16]));
    let (uncertainty, text) = said(Principal { groups: absent.clone(), session, ..ada() });
    assert_eq!(uncertainty, Uncertainty::NotStated(Silence::Absent));
    assert!(text.contains("https://idp.example ") && text.contains("its [[identity]]"), "{text}");
    assert!(text.contains("groups_when_absent = \"none\""), "{text}");
    let (_, text) = said(Principal { groups: absent, ..ada() });
    assert!(text.contains("its [[bearer]]"), "{text}");
    let roles = Roles::NotStated(Silence::Absent);
    let (_, text) = said(Principal { roles, groups: Groups::known([]), ..ada() });
    assert!(text.contains("roles_when_absent = \"none\""), "{text}");
    let (uncertainty, text) = said(Principal { groups: Groups::NotStated(Silence::Unlisted), ..ada() });
    assert_eq!(uncertainty, Uncertainty::NotStated(Silence::Unlisted));
    assert!(!text.contains("when_absent"), "that line would not help: {text}");
}

#[test]
fn a_route_is_for_people_only_if_nobody_else_may_use_it() {
    let check = |allow: &[Allow], expected| {
        let requirement = Requirement::new(RequirementId(0), allow.to_vec(), MaxStale::DEFAULT);
        assert_eq!(requirement.is_for_people_only(), expected, "{allow:?}");
    };
    check(&[Allow::kind(Kind::User)], true);
    check(&[Allow::kind(Kind::User), Allow::group("staff")], true);
    check(&[Allow::kind(Kind::User), Allow::kind(Kind::Service)], false);
    check(&[Allow::kind(Kind::User), Allow::kind(Kind::Device)], false);
    check(&[Allow::role("editor")], false);
    check(&[Allow::tenant("acme")], false);
    check(&[Allow::Anyone], false);
}

#[test]
fn staleness_is_judged_by_the_route() {
    let since = |hours: u64| Freshness::LastKnownGood {
        missing: Dependency::Keys,
        since: Now::at(NOON).steady() - Duration::from_secs(hours * 3600),
    };
    let check = |max_stale, hours, expected| {
        let ada = Principal { freshness: since(hours), ..ada() };
        assert_eq!(asked(&[Allow::kind(Kind::User)], max_stale, ada), expected, "{hours} h");
    };
    check(MaxStale::DEFAULT, 11, "known");
    check(MaxStale::DEFAULT, 13, "keys");
    check(MaxStale::all(Duration::ZERO), 0, "keys");
}

#[test]
fn an_open_route_tells_nobody_from_somebody_it_cannot_decide_about() {
    let open = Requirement::new(RequirementId(0), vec![Allow::Anyone], MaxStale::DEFAULT);
    let holder = |verdict| match permit(verdict, &open, Now::at(NOON)).expect("anyone may pass").holder() {
        Holder::Anyone => "anyone",
        Holder::Lapsed => "lapsed",
        Holder::Undecided(unavailable) => unavailable.dependency.as_str(),
        Holder::Known(_) => "known",
    };
    let proven =
        Rejected::proven_by(NotPermitted { name: "Ada".into(), who: Subject::new("https://idp.example", "ada") });
    assert_eq!(holder(Verdict::Rejected(proven)), "anyone");
    for dependency in Dependency::ALL {
        let down = Unavailable::because(dependency, "planned");
        assert_eq!(holder(Verdict::Unavailable(down)), dependency.as_str());
    }
    let stale = Freshness::LastKnownGood {
        missing: Dependency::Store,
        since: Now::at(NOON).steady() - Duration::from_secs(13 * 3600),
    };
    assert_eq!(holder(Verdict::Authenticated(Principal { freshness: stale, ..ada() })), "store");
    assert_eq!(holder(Verdict::Authenticated(ada())), "known");
}
