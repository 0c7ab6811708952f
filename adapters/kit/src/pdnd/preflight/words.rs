//! The words for each mistake, English and Italian. `{}` is what was found, or expected.

/// The sentences of a code.
pub(super) fn of(code: &str) -> (&'static str, &'static str) {
    let sentences = SENTENCES.iter().find(|(known, ..)| *known == code);
    sentences.map_or(("the assertion is not acceptable", "l'asserzione non è accettabile"), |(_, en, it)| (en, it))
}

/// Code, English, Italian.
pub(super) const SENTENCES: &[(&str, &str, &str)] = &[
    (
        "clockSkew",
        "our clock is {} s ahead of a trusted one: correct it (NTP) before signing",
        "l'orologio è avanti di {} s rispetto a uno fidato: va corretto (NTP) prima di firmare",
    ),
    (
        "mixedEnvironments",
        "the connection mixes environments of the platform: {}",
        "la connessione mescola ambienti diversi della piattaforma: {}",
    ),
    (
        "audienceWithScheme",
        "the audience of the assertion has no scheme: {} must begin with the host",
        "l'audience dell'asserzione è senza schema: {} deve cominciare con il nome dell'host",
    ),
    (
        "audienceOfAnotherHost",
        "the audience names the host {}, which is not that of the token endpoint",
        "l'audience indica l'host {}, che non è quello dell'endpoint dei voucher",
    ),
    ("clientIdNotUuid", "client_id is not a UUID: {}", "client_id non è un UUID: {}"),
    (
        "keyNotRsa",
        "assertions are signed by an RSA key (RS256); this one signs by {}",
        "le asserzioni si firmano con una chiave RSA (RS256); questa firma con {}",
    ),
    (
        "kidOfAnotherKey",
        "the kid is not that of the private key, whose thumbprint is {}",
        "il kid non è quello della chiave privata, la cui impronta è {}",
    ),
    ("dpopKeyMissing", "scheme is dpop but dpop_key_file is absent", "scheme è dpop ma manca dpop_key_file"),
    (
        "dpopKeyReused",
        "the key of the proofs is the one of the assertions: they must be two",
        "la chiave delle prove è quella delle asserzioni: devono essere due",
    ),
    (
        "dpopKeyKind",
        "proofs are signed by a P-256 or an RSA key; this one signs by {}",
        "le prove si firmano con una chiave P-256 o RSA; questa firma con {}",
    ),
    (
        "invalidAssertionFormat",
        "the text is not a signed token of three parts",
        "il testo non è un token firmato in tre parti",
    ),
    ("algorithmNotAllowed", "alg is {}: only RS256 is admitted", "alg è {}: è ammesso solo RS256"),
    ("kidNotFound", "the header has no kid", "nell'intestazione manca kid"),
    ("invalidKidFormat", "kid is not a thumbprint of 43 characters: {}", "kid non è un'impronta di 43 caratteri: {}"),
    (
        "clientAssertionInvalidClaims",
        "{} is not admitted, or not with that type: validation is strict",
        "{} non è ammesso, o non con quel tipo: la validazione è stretta",
    ),
    ("issuerNotFound", "the claim iss is absent", "manca il claim iss"),
    ("subjectNotFound", "the claim sub is absent", "manca il claim sub"),
    ("audienceNotFound", "the claim aud is absent", "manca il claim aud"),
    ("jtiNotFound", "the claim jti is absent", "manca il claim jti"),
    ("issuedAtNotFound", "the claim iat is absent", "manca il claim iat"),
    ("expNotFound", "the claim exp is absent", "manca il claim exp"),
    ("invalidSubjectFormat", "sub is not a UUID: {}", "sub non è un UUID: {}"),
    ("invalidSubject", "sub is {}, not the client_id of the request", "sub è {}, non il client_id della richiesta"),
    ("invalidIssuer", "iss is {}, not the client_id of the request", "iss è {}, non il client_id della richiesta"),
    ("invalidAudience", "aud is not that of the environment, which is {}", "aud non è quella dell'ambiente, che è {}"),
    (
        "purposeIdNotProvided",
        "a client of an e-service needs a purpose: purpose_id is absent",
        "un client e-service ha bisogno di una finalità: manca purpose_id",
    ),
    (
        "purposeIdNotExpected",
        "a client api interop has no purpose: take purpose_id away",
        "un client api interop non ha finalità: togliere purpose_id",
    ),
    ("invalidPurposeIdClaimFormat", "the purpose is not a UUID: {}", "la finalità non è un UUID: {}"),
    (
        "invalidDigestClaim",
        "digest has the members {}: alg and value are expected, nothing else",
        "digest ha i membri {}: si aspettano alg e value, nient'altro",
    ),
    (
        "invalidHashAlgorithm",
        "digest.alg is {}: it is written SHA256, without a hyphen",
        "digest.alg è {}: si scrive SHA256, senza trattino",
    ),
    (
        "invalidHashLength",
        "digest.value has {} characters: 64 hexadecimal digits are expected, not base64",
        "digest.value ha {} caratteri: se ne aspettano 64 esadecimali, non base64",
    ),
    (
        "invalidDigestFormat",
        "digest.value is not made of hexadecimal digits",
        "digest.value non è fatto di cifre esadecimali",
    ),
    (
        "tokenExpired",
        "the assertion has expired (exp {}): is the clock right?",
        "l'asserzione è scaduta (exp {}): l'orologio è giusto?",
    ),
    (
        "invalidSignature",
        "the signature is not of the key registered under that kid",
        "la firma non è della chiave registrata con quel kid",
    ),
    ("scopeNotProvided", "the asynchronous endpoint needs a scope", "l'endpoint asincrono vuole uno scope"),
    ("invalidScopeClaimFormat", "the scope {} is unknown", "lo scope {} è sconosciuto"),
    ("urlCallbackNotProvided", "start_interaction needs urlCallback", "start_interaction vuole urlCallback"),
    ("invalidUrlCallbackClaimFormat", "urlCallback is not an address: {}", "urlCallback non è un indirizzo: {}"),
    ("interactionIdNotProvided", "this scope needs interactionId", "questo scope vuole interactionId"),
    ("invalidInteractionIdClaimFormat", "interactionId is not a UUID: {}", "interactionId non è un UUID: {}"),
    ("entityNumberNotProvided", "callback_invocation needs entityNumber", "callback_invocation vuole entityNumber"),
    ("invalidEntityNumber", "entityNumber is {}: one at least", "entityNumber è {}: almeno uno"),
];
