package gitsource

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// keyring is the OpenPGP keys that may sign. One key may be there twice, such
// as before and after it was renewed or revoked.
type keyring openpgp.EntityList

// readKeyring reads a file with keys as "gpg --export" writes them, or several
// armoured ones in a row.
func readKeyring(name string) (keyring, error) {
	data, err := readKeys(name)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeyring(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

const beginKeys = "-----BEGIN PGP "

func parseKeyring(data []byte) (keyring, error) {
	blocks := bytes.Split(data, []byte(beginKeys))
	if len(blocks) == 1 {
		return readEntities(bytes.NewReader(data))
	}
	var all keyring
	for _, text := range blocks[1:] {
		block, err := armor.Decode(io.MultiReader(strings.NewReader(beginKeys), bytes.NewReader(text)))
		if err != nil {
			return nil, errors.New("an armoured key is damaged")
		}
		if block.Type != openpgp.PublicKeyType {
			return nil, fmt.Errorf("it has a %q, want only public keys", block.Type)
		}
		keys, err := readEntities(block.Body)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

func readEntities(r io.Reader) (keyring, error) {
	keys, err := openpgp.ReadKeyRing(r)
	if err != nil || len(keys) == 0 {
		return nil, errors.New("no OpenPGP key that can be read")
	}
	for _, k := range keys {
		if k.PrivateKey != nil {
			return nil, errors.New("it has a private key, want only public keys")
		}
	}
	return keyring(keys), nil
}

// skew is how far a signer's clock may be ahead of ours.
const skew = 5 * time.Minute

// check returns what is wrong with a signature. A key that is revoked in any
// of its copies is.
func (k keyring) check(s sealed, at moment) error {
	sig, raw, err := parseSignature(s.signature)
	if err != nil {
		return err
	}
	fault := fmt.Errorf("signed by unknown key %s", issuer(sig))
	good := false
	for _, entity := range k {
		ring := openpgp.EntityList{entity}
		if len(ring.KeysById(*sig.IssuerKeyId)) == 0 {
			continue
		}
		err := checkWith(ring, s.payload, sig, raw, at)
		if errors.Is(err, pgperrors.ErrKeyRevoked) {
			return fmt.Errorf("key %s is revoked", issuer(sig))
		}
		if err == nil {
			good = true
		} else {
			fault = err
		}
	}
	if good {
		return nil
	}
	return fault
}

// parseSignature reads the one signature that there must be. Text signatures
// are not taken: they leave open what the bytes were.
func parseSignature(text []byte) (*packet.Signature, []byte, error) {
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, nil, errSignature
	}
	raw, err := io.ReadAll(block.Body)
	if err != nil {
		return nil, nil, errSignature
	}
	packets := packet.NewReader(bytes.NewReader(raw))
	p, err := packets.Next()
	if err != nil {
		return nil, nil, errSignature
	}
	sig, ok := p.(*packet.Signature)
	if !ok || sig.IssuerKeyId == nil || sig.SigType != packet.SigTypeBinary {
		return nil, nil, errSignature
	}
	if _, err := packets.Next(); !errors.Is(err, io.EOF) {
		return nil, nil, errSignatures
	}
	if !strong(sig.Hash) {
		return nil, nil, fmt.Errorf("%w: made with the weak hash %v", errSignature, sig.Hash)
	}
	return sig, raw, nil
}

func strong(h crypto.Hash) bool {
	switch h {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512:
		return true
	}
	return false
}

// checkWith checks a signature with one entity, which has the key.
func checkWith(ring openpgp.EntityList, payload []byte, sig *packet.Signature, raw []byte, at moment) error {
	keys := ring.KeysByIdUsage(*sig.IssuerKeyId, packet.KeyFlagSign)
	if len(keys) == 0 {
		return fmt.Errorf("key %s is not one for signatures", issuer(sig))
	}
	now := at.now
	if ahead := sig.CreationTime.Sub(now); ahead > skew {
		return fmt.Errorf("%w: it is of the future, %s", errSignature, day(sig.CreationTime))
	} else if ahead > 0 {
		now = sig.CreationTime
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	proven, _, err := openpgp.VerifyDetachedSignature(ring, bytes.NewReader(payload), bytes.NewReader(raw), config)
	switch {
	case proven == nil:
		return errSignature
	case sig.CreationTime.Before(keys[0].PublicKey.CreationTime):
		return fmt.Errorf("%w: it is older than its key", errSignature)
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return expired(keys[0], sig, at)
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return errors.New("the signature has expired")
	case err != nil && !errors.Is(err, pgperrors.ErrKeyRevoked):
		return errSignature
	}
	return err
}

// expired refuses a key that has ended, unless what it signed was found good
// before.
func expired(key openpgp.Key, sig *packet.Signature, at moment) error {
	until := expiry(key)
	switch {
	case until.IsZero():
		return fmt.Errorf("key %s is not valid yet", issuer(sig))
	case at.before && !sig.CreationTime.After(until):
		return nil
	}
	return fmt.Errorf("key %s expired on %s", issuer(sig), day(until))
}

// expiry returns when a key ends: with its primary key, if not before.
func expiry(key openpgp.Key) time.Time {
	self, _ := key.Entity.PrimarySelfSignature()
	ends := lifetime(key.Entity.PrimaryKey, self)
	own := lifetime(key.PublicKey, key.SelfSignature)
	if ends.IsZero() || !own.IsZero() && own.Before(ends) {
		return own
	}
	return ends
}

// lifetime returns a key's end by its own signature, zero for none.
func lifetime(key *packet.PublicKey, self *packet.Signature) time.Time {
	if self == nil || self.KeyLifetimeSecs == nil || *self.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return key.CreationTime.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second)
}

func issuer(sig *packet.Signature) string {
	if len(sig.IssuerFingerprint) > 0 {
		return strings.ToUpper(hex.EncodeToString(sig.IssuerFingerprint))
	}
	return fmt.Sprintf("%016X", *sig.IssuerKeyId)
}
