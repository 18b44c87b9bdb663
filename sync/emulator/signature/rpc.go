package signature

import (
	"crypto/sha1" //nolint:gosec // the scheme's own hash
	"encoding/base64"
	"maps"
	"net/url"
	"time"
)

// RPC reads a request signed with HMAC-SHA1 in its parameters: params are all
// of the query and of the form.
func RPC(method string, params url.Values) (*Signed, error) {
	for _, name := range []string{"AccessKeyId", "Signature", "SignatureMethod", "SignatureNonce", "Timestamp"} {
		if params.Get(name) == "" {
			return nil, &Problem{Missing, name}
		}
	}
	if params.Get("SignatureMethod") != "HMAC-SHA1" {
		return nil, &Problem{Malformed, "SignatureMethod"}
	}
	if params.Get("SignatureVersion") != "1.0" {
		return nil, &Problem{Malformed, "SignatureVersion"}
	}
	at, err := time.Parse(AliyunTime, params.Get("Timestamp"))
	if err != nil {
		return nil, &Problem{BadTime, "Timestamp"}
	}
	text := rpcText(method, params)
	return &Signed{
		KeyID: params.Get("AccessKeyId"),
		Token: params.Get("SecurityToken"),
		Nonce: params.Get("SignatureNonce"),
		Time:  at,
		sent:  params.Get("Signature"),
		expect: func(secret string) string {
			return base64.StdEncoding.EncodeToString(mac(sha1.New, []byte(secret+"&"), text))
		},
	}, nil
}

// rpcText is the string to sign: the parameters are encoded twice.
func rpcText(method string, params url.Values) string {
	signed := maps.Clone(params)
	delete(signed, "Signature")
	once := url.Values{"": {encode(signed)}}
	return method + "&%2F&" + encode(once)[1:]
}
