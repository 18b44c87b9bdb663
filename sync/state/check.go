package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"weir/sync/resource"
)

// DefaultLimit is the number of journal entries a Query without Limit returns.
const DefaultLimit = 1000

// CheckID refuses an ID whose text form does not lead back to it; every store
// calls it before it writes, so that no two IDs can ever be taken for one.
func CheckID(id resource.ID) error {
	back, err := resource.ParseID(id.String())
	if err != nil {
		return err
	}
	if back != id {
		return fmt.Errorf("resource id %q reads back as another id", id)
	}
	return nil
}

// CheckMark refuses a mark that could not be found again.
func CheckMark(m Mark) error {
	if m.Source == "" || m.Role == "" {
		return fmt.Errorf("mark %q of source %q has no source or no role", m.Role, m.Source)
	}
	return nil
}

// CheckConsent refuses a consent that could not be found again or never holds.
func CheckConsent(c Consent) error {
	if c.Plan == "" || c.Given.IsZero() || !c.Expires.After(c.Given) {
		return fmt.Errorf("consent for plan %q from %s to %s: want a hash, and an end after the beginning",
			c.Plan, c.Given.Format(time.RFC3339), c.Expires.Format(time.RFC3339))
	}
	return nil
}

// CheckClaim refuses a claim that could not be found again.
func CheckClaim(name string) error {
	if name == "" {
		return errors.New("claim without a name")
	}
	return nil
}

// CheckAct refuses an act that could not be found again.
func CheckAct(a resource.Act) error {
	if err := CheckID(a.ID); err != nil {
		return err
	}
	if a.Name == "" {
		return fmt.Errorf("act of %s has no name", a.ID)
	}
	return nil
}

// CheckBegin refuses an act that Begin cannot write.
func CheckBegin(a resource.Act) error {
	if a.Begun.IsZero() {
		return fmt.Errorf("act %q of %s has no time of beginning", a.Name, a.ID)
	}
	return CheckAct(a)
}

// EncodeParams writes the parameters of an entry as JSON text, "" for none.
func EncodeParams(params map[string]any) (string, error) {
	if params == nil {
		return "", nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(params); err != nil {
		return "", fmt.Errorf("encode parameters: %w", err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// DecodeParams reads what EncodeParams wrote. Numbers come back as
// json.Number, so that none loses a digit.
func DecodeParams(text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var params map[string]any
	if err := dec.Decode(&params); err != nil {
		return nil, fmt.Errorf("decode parameters: %w", err)
	}
	return params, nil
}
