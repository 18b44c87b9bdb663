package gitsource

// Verify says by whom a head must be signed. With neither file no signature is
// asked for; with both, one by a key of either is enough.
type Verify struct {
	KeyringFile        string // OpenPGP public keys, armoured or not
	AllowedSignersFile string // SSH public keys, as in "ALLOWED SIGNERS" of ssh-keygen(1)
}
