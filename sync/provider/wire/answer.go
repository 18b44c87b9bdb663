package wire

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/secret"
)

// Answer is a whole HTTP answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte        // inflated, at most the body limit
	RTT    time.Duration // from the request written to the first byte
	key    secret.Key    // what must not be in a text made of it
}

// Decode reads a JSON body into v. An error means that something other than
// the API answered: see Foreign.
func (a *Answer) Decode(v any) error {
	if err := jsonType(a.Header.Get("Content-Type")); err != nil {
		return err
	}
	if len(a.Body) == 0 {
		return fmt.Errorf("empty body")
	}
	if err := CheckDepth(a.Body); err != nil {
		return err
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("not the JSON of the API: %w", err)
	}
	return nil
}

// jsonType refuses types that are not JSON. Neither cloud documents the type it
// sends, so none at all and plain text are left to the decoder.
func jsonType(contentType string) error {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "", media == "text/plain", strings.HasSuffix(media, "json"):
		return nil
	case err != nil:
		return fmt.Errorf("content type cannot be read")
	}
	return fmt.Errorf("content type is %s, not JSON", media)
}

// Clean makes a text of the answer fit to be shown: see the function Clean.
func (a *Answer) Clean(text string) string { return Clean(text, a.key) }

// Error returns the outcome of a call that the cloud refused, with its texts
// cut and freed of secrets.
func (a *Answer) Error(operation string, code call.Code, cloudCode, message string) *call.Error {
	return &call.Error{
		Code:      code,
		Operation: operation,
		CloudCode: Clean(cloudCode, a.key),
		Message:   Clean(message, a.key),
		Status:    a.Status,
		After:     retryAfter(a.Header),
		RTT:       a.RTT,
	}
}

// Foreign returns the outcome of a call whose answer is not the API's: a
// gateway's page, a cut body, a captive portal. Only the statuses by which
// whoever answered says that it did not pass the request on are taken for "no
// effect"; a redirect is not followed.
func (a *Answer) Foreign(operation string, cause error) *call.Error {
	code := call.Unknown
	switch {
	case a.Status == http.StatusTooManyRequests:
		code = call.Throttled
	case a.Status == http.StatusServiceUnavailable:
		code = call.Unavailable
	case a.Status >= 400 && a.Status < 500 && a.Status != http.StatusRequestTimeout:
		code = call.Unavailable
	}
	return a.Error(operation, code, "", fmt.Sprintf("answer with status %d is not the API's: %v", a.Status, cause))
}

// retryAfter reads the Retry-After header in seconds; neither cloud documents
// it, so a date or anything odd is left out, and an hour is the most believed.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 3600)) * time.Second
}
