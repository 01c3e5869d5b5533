//! Signatures as senders write them, and those that nobody should believe.

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

use super::*;

const NOW: Wall = Wall(1_614_265_330_000_000);
const BODY: &[u8] = br#"{"event":"event_phone_call_started"}"#;

fn secret(text: &str) -> SecretString {
    text.into()
}

fn verifier() -> Verifier {
    Verifier {
        secret: Some(secret("the current secret")),
        previous_secret: Some(secret("the previous secret")),
        ..Verifier::default()
    }
}

fn signature(key: &str) -> [u8; MAC] {
    mac(key.as_bytes(), &[BODY])
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

#[test]
fn the_mac_is_that_of_rfc_4231() {
    assert_eq!(
        HEXLOWER.encode(&mac(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[test]
fn a_signature_is_found_in_any_header_and_encoding_behind_any_prefix() {
    let mac = signature("the current secret");
    let hex = HEXLOWER.encode(&mac);
    let base64 = BASE64.encode(&mac);
    for value in [
        hex.clone(),
        HEXUPPER.encode(&mac),
        base64.clone(),
        BASE64URL.encode(&mac),
        BASE64_NOPAD.encode(&mac),
        BASE64URL_NOPAD.encode(&mac),
        format!("sha256={hex}"),
        format!("sha256={base64}"),
        format!("sha256-{base64}"),
        format!("sha256:{hex}"),
        format!("v0_{hex}"),
        format!("HMAC-SHA256 {hex}"),
        format!("v1,{base64}"),
        format!("t=1756941591,v0={},v1={hex}", "0".repeat(64)),
        format!("v1,{} v1,{base64}", BASE64.encode(&[0; 32])),
        format!("keyId=\"k\",signature=\"{base64}\""),
    ] {
        let found = headers(&[("x-other", "1"), ("x-whatever", &value)]);
        assert_eq!(verifier().verify(&found, BODY, NOW), Ok(Proof::CurrentSecret), "{value}");
        assert_eq!(verifier().verify(&found, b"{}", NOW), Err(Unauthorized), "{value}");
    }
}

#[test]
fn the_previous_secret_is_accepted_and_told_apart() {
    let hex = HEXLOWER.encode(&signature("the previous secret"));
    let found = headers(&[("signature", &hex)]);
    assert_eq!(verifier().verify(&found, BODY, NOW), Ok(Proof::PreviousSecret));
    let without = Verifier { previous_secret: None, ..verifier() };
    assert_eq!(without.verify(&found, BODY, NOW), Err(Unauthorized));
}

#[test]
fn nothing_but_the_whole_signature_counts() {
    let hex = HEXLOWER.encode(&signature("the current secret"));
    let (short, _) = hex.split_at(63);
    for value in ["", "x", short, &format!("{hex}0"), &format!("0{hex}"), &"0".repeat(64)] {
        let found = headers(&[("signature", value)]);
        assert_eq!(verifier().verify(&found, BODY, NOW), Err(Unauthorized), "{value}");
    }
    assert_eq!(verifier().verify(&HeaderMap::new(), BODY, NOW), Err(Unauthorized));
}

#[test]
fn header_encoding_and_prefix_hold_where_they_are_named() {
    let mac = signature("the current secret");
    let hex = HEXLOWER.encode(&mac);
    let named = Verifier {
        scheme: Scheme::Body(Signature {
            header: Some(HeaderName::from_static("signature")),
            encoding: Encoding::Hex,
            prefix: Some("v1=".to_owned()),
        }),
        ..verifier()
    };
    let judge = |name, value: &str| named.verify(&headers(&[(name, value)]), BODY, NOW).is_ok();
    assert!(judge("signature", &format!("v1={hex}")));
    assert!(judge("signature", &format!("t=1,v1={hex}")));
    assert!(!judge("signature", &hex));
    assert!(!judge("signature", &format!("v2={hex}")));
    assert!(!judge("x-signature", &format!("v1={hex}")));
    assert!(!judge("signature", &format!("v1={}", BASE64.encode(&mac))));

    let bare = Verifier {
        scheme: Scheme::Body(Signature { prefix: Some(String::new()), ..Signature::default() }),
        ..verifier()
    };
    assert!(bare.verify(&headers(&[("s", &hex)]), BODY, NOW).is_ok());
    assert!(bare.verify(&headers(&[("s", &format!("v1={hex}"))]), BODY, NOW).is_err());
}

#[test]
fn a_required_header_stands_beside_the_secret_or_for_it() {
    let required = Some((HeaderName::from_static("authorization"), secret("Bearer b")));
    let both = Verifier { require_header: required.clone(), ..verifier() };
    let hex = HEXLOWER.encode(&signature("the current secret"));
    let judge = |verifier: &Verifier, pairs: &[_]| verifier.verify(&headers(pairs), BODY, NOW);
    assert_eq!(
        judge(&both, &[("authorization", "Bearer b"), ("signature", &hex)]),
        Ok(Proof::CurrentSecret)
    );
    assert!(judge(&both, &[("signature", &hex)]).is_err());
    assert!(judge(&both, &[("authorization", "Bearer b")]).is_err());

    let alone = Verifier { require_header: required, ..Verifier::default() };
    assert_eq!(judge(&alone, &[("authorization", "Bearer b")]), Ok(Proof::Header));
    assert!(judge(&alone, &[("authorization", "Bearer c")]).is_err());
    assert!(judge(&alone, &[]).is_err());
}

#[test]
fn unsigned_webhooks_come_in_only_where_that_is_said() {
    assert!(Verifier::default().verify(&HeaderMap::new(), BODY, NOW).is_err());
    let open = Verifier { allow_unsigned: true, ..Verifier::default() };
    assert_eq!(open.verify(&HeaderMap::new(), BODY, NOW), Ok(Proof::Nothing));
    let signed = Verifier { allow_unsigned: true, ..verifier() };
    assert!(signed.verify(&HeaderMap::new(), BODY, NOW).is_err());
}

#[test]
fn of_the_headers_only_a_few_short_names_are_told() {
    let mut found = headers(&[("host", "h"), ("x-signature", "secret")]);
    assert_eq!(header_names(&found), ["x-signature"]);
    for i in 0..100 {
        let name = format!("{}{i}", "x".repeat(90));
        found
            .insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(""));
    }
    let names = header_names(&found);
    assert_eq!(names.len(), 32);
    assert!(names.iter().all(|name| name.len() <= 64));
}

#[test]
fn relays_sign_after_the_standard_webhooks_specification() {
    // The example of the specification.
    let body = br#"{"test": 2432232314}"#;
    let relayed = Verifier {
        secret: Some(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        scheme: Scheme::StandardWebhooks,
        ..Verifier::default()
    };
    let found = headers(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]);
    let judge = |body: &[u8], now| relayed.verify(&found, body, now);
    assert_eq!(judge(body, NOW), Ok(Proof::CurrentSecret));
    assert_eq!(judge(body, NOW.after(MAX_SKEW)), Ok(Proof::CurrentSecret));
    assert_eq!(judge(body, NOW.after(MAX_SKEW * 2)), Err(Unauthorized));
    assert_eq!(judge(body, NOW.before(MAX_SKEW * 2)), Err(Unauthorized));
    assert_eq!(judge(b"{}", NOW), Err(Unauthorized));
    assert_eq!(relayed.verify(&HeaderMap::new(), body, NOW), Err(Unauthorized));
}
