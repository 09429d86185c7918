//! What people and programs are told on their way through signing in.

use std::time::Duration;

use auth_core::{
    dependency::Dependency,
    discovery::NotADocument,
    sign_in::{InvalidResponse, Objection},
    verdict::Unavailable,
};
use http::header::{RETRY_AFTER, SET_COOKIE};

use super::pages;
use crate::{
    config::site::tests::site,
    fault::ClientKind,
    request::RequestId,
    response::{
        answer::Answer,
        cookies::SetCookie,
        reply::{
            ANSWER,
            tests::{check_form, field, http, text},
        },
    },
};

#[tokio::test]
async fn a_sign_in_that_cannot_be_finished_keeps_what_was_wanted() {
    let begin = "/.candor/login?return_to=%2Forders".to_owned();
    let unavailable = || Unavailable::because(Dependency::TokenEndpoint, "planned");
    let answer = |spent| pages::unavailable(&unavailable(), Some(begin.clone()), spent);
    let kept = http(Answer::Own(answer(Vec::new())), ClientKind::Browser, true);
    assert_eq!(kept.status(), 503);
    assert!(text(kept).await.contains("http-equiv=\"refresh\""), "the same callback may yet succeed");
    let spent = SetCookie::forget_pending("__Host-candor-signin-x", &site()).expect("a pending sign-in's name");
    let spent = http(Answer::Own(answer(vec![spent])), ClientKind::Browser, true);
    assert_eq!(spent.status(), 503);
    let text = text(spent).await;
    assert!(!text.contains("http-equiv") && text.contains(&begin), "beginning again is a choice: {text}");
}

#[tokio::test]
async fn a_wrong_answer_of_the_providers_is_said_in_words_and_loads_nothing_again() {
    let begin = "/.candor/login?return_to=%2Forders";
    let failed = || {
        let wrong = InvalidResponse::IdToken(auth_core::jws::MalformedToken::Unsigned("not signed"));
        Answer::Own(pages::invalid_response(&wrong, begin.to_owned()))
    };
    for client_kind in [ClientKind::Browser, ClientKind::Script] {
        let response = http(failed(), client_kind, true);
        assert_eq!((response.status().as_u16(), field(&response, ANSWER.as_str())), (502, "sign-in-failed".to_owned()));
        assert!(!response.headers().contains_key(RETRY_AFTER), "waiting does not make it right");
        check_form(&response, client_kind);
    }
    let response = http(failed(), ClientKind::Browser, true);
    let id = field(&response, RequestId::HEADER.as_str());
    let page = text(response).await;
    assert!(page.contains("is not signed in a way") && page.contains(begin), "{page}");
    assert!(page.contains("the number of the request") && page.contains(&format!("<code>{id}</code>")), "{page}");
    assert!(!page.contains("http-equiv") && !page.contains("does not answer") && !page.contains("It said"), "{page}");
}

/// Whoever reads it cannot help it, and is told who can.
#[tokio::test]
async fn what_is_set_up_wrongly_is_no_outage_to_people() {
    let begin = "/.candor/login?return_to=%2Forders";
    let unavailable = Unavailable::because(Dependency::TokenEndpoint, "planned").retry_after(Duration::from_secs(60));
    let other = NotADocument::OtherIssuer { of: "https://other.example".to_owned(), expected: "https://idp".into() };
    let misconfigured = || pages::misconfigured(&unavailable, begin.to_owned());
    let document = || pages::invalid_response(&InvalidResponse::Document(other.clone()), begin.to_owned());
    let answers = [(misconfigured(), 503, "verdict-unavailable"), (document(), 502, "sign-in-failed")];
    for (answer, status, word) in answers {
        let response = http(Answer::Own(answer), ClientKind::Browser, true);
        assert_eq!((response.status().as_u16(), field(&response, ANSWER.as_str())), (status, word.to_owned()));
        assert!(!response.headers().contains_key(SET_COOKIE), "nothing is taken back");
        let number = format!("<code>{}</code>", field(&response, RequestId::HEADER.as_str()));
        let page = text(response).await;
        for part in ["set up wrongly", "whoever looks after this service", &number, begin] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(!page.contains("http-equiv") && !page.contains("does not answer"), "{page}");
        assert!(!page.contains("planned") && !page.contains("other.example"), "what is said is for the log: {page}");
    }
    for answer in [misconfigured(), document()] {
        check_form(&http(Answer::Own(answer), ClientKind::Script, true), ClientKind::Script);
    }
}

#[tokio::test]
async fn what_a_provider_refuses_is_said_in_its_words_and_with_a_number() {
    let page = async |objection| {
        let description = Some("Offline tokens <not> allowed".to_owned());
        let answer = pages::refused(objection, "not_allowed", description, "/.candor/login".to_owned());
        let response = http(Answer::Own(answer), ClientKind::Browser, true);
        assert_eq!((response.status().as_u16(), field(&response, ANSWER.as_str())), (400, "own".to_owned()));
        let number = format!("<code>{}</code>", field(&response, RequestId::HEADER.as_str()));
        let page = text(response).await;
        for part in ["It said: not_allowed", "Offline tokens &#60;not&#62; allowed", &number] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(!page.contains("http-equiv"), "{page}");
        page
    };
    assert!(page(Objection::ToRequest).await.contains("not about you"));
    assert!(!page(Objection::ToPerson).await.contains("not about you"));
}

#[tokio::test]
async fn a_sign_in_that_has_to_wait_is_tried_again() {
    let answer = || Answer::Own(pages::busy("/.candor/login?return_to=%2Forders".to_owned()));
    for repeatable in [true, false] {
        let response = http(answer(), ClientKind::Browser, repeatable);
        assert_eq!((response.status().as_u16(), field(&response, ANSWER.as_str())), (503, "overloaded".to_owned()));
        assert!(response.headers().contains_key(RETRY_AFTER));
        let page = text(response).await;
        assert_eq!(page.contains("http-equiv"), repeatable, "a form is never sent twice by itself: {page}");
        assert!(page.contains("/.candor/login?return_to=%2Forders"), "{page}");
    }
    check_form(&http(answer(), ClientKind::Script, true), ClientKind::Script);
}

#[test]
fn a_program_that_cannot_sign_anybody_in_is_told_so_as_programs_are() {
    let unavailable = Unavailable::because(Dependency::TokenEndpoint, "planned").retry_after(Duration::from_secs(1));
    let answer = pages::unavailable(&unavailable, None, Vec::new());
    let response = http(Answer::Own(answer), ClientKind::Script, true);
    check_form(&response, ClientKind::Script);
    let retry: u64 = field(&response, "retry-after").parse().expect("seconds");
    assert!((5..10).contains(&retry), "{retry}");
}
