package gitsource

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// sealed is a commit or tag taken apart: the bytes that were signed, exactly as
// the object has them, and the signature.
type sealed struct {
	payload   []byte
	signature []byte
}

// The forms of a signature.
const (
	formatNone = iota
	formatOpenPGP
	formatSSH
	formatOther
)

const (
	beginOpenPGP = "-----BEGIN PGP SIGNATURE-----"
	beginSSH     = "-----BEGIN SSH SIGNATURE-----"
)

// begins are the lines that begin a signature at the end of a tag.
func begins() []string {
	return []string{beginOpenPGP, "-----BEGIN PGP MESSAGE-----", beginSSH, "-----BEGIN SIGNED MESSAGE-----"}
}

func (s sealed) format() int {
	switch {
	case len(s.signature) == 0:
		return formatNone
	case bytes.HasPrefix(s.signature, []byte(beginOpenPGP)):
		return formatOpenPGP
	case bytes.HasPrefix(s.signature, []byte(beginSSH)):
		return formatSSH
	}
	return formatOther
}

var errSignatures = errors.New("more than one signature")

// splitCommit takes the signature, which is a header, out of a commit. Nobody
// signs a header that holds a signature; all others are signed, and so is
// whatever follows the first empty line.
func splitCommit(data []byte) (sealed, error) {
	s, count := unheader(data)
	if count > 1 {
		return sealed{}, errSignatures
	}
	return s, nil
}

// unheader takes the headers "gpgsig" and "gpgsig-sha256" away. A header goes
// on in the lines after it that begin with a space. The first kind is returned
// as the signature, with the number of its headers.
func unheader(data []byte) (s sealed, count int) {
	var others []byte
	s.payload = make([]byte, 0, len(data))
	into := &s.payload
	rest := data
	for line := range bytes.Lines(data) {
		if line[0] == '\n' {
			break
		}
		rest = rest[len(line):]
		key, value, spaced := bytes.Cut(line, []byte(" "))
		switch {
		case !spaced:
			into = &s.payload
		case len(key) == 0 && into != &s.payload:
			line = value
		case len(key) == 0:
		case string(key) == "gpgsig":
			into, line = &s.signature, value
			count++
		case string(key) == "gpgsig-sha256":
			into = &others
		default:
			into = &s.payload
		}
		*into = append(*into, line...)
	}
	s.payload = append(s.payload, rest...)
	return s, count
}

// splitTag takes the signature off the end of a tag. It begins with the last
// line that may begin one.
func splitTag(data []byte) sealed {
	cut, at := len(data), 0
	for line := range bytes.Lines(data) {
		for _, begin := range begins() {
			if bytes.HasPrefix(line, []byte(begin)) {
				cut = at
			}
		}
		at += len(line)
	}
	s, _ := unheader(data[:cut])
	return sealed{payload: s.payload, signature: data[cut:]}
}

// tagName returns the name that a tag object was made with, "" for none.
func tagName(data []byte) string { return string(header(data, "tag")) }

// header returns the value of the first header of this name.
func header(data []byte, name string) []byte {
	for line := range bytes.Lines(data) {
		key, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		switch {
		case len(line) == 1:
			return nil
		case string(key) == name:
			return value
		}
	}
	return nil
}

// made returns when the object was made by its own word, which is signed.
func (s sealed) made() (time.Time, bool) {
	who := header(s.payload, "committer")
	if who == nil {
		who = header(s.payload, "tagger")
	}
	fields := bytes.Fields(who[bytes.LastIndexByte(who, '>')+1:])
	if len(fields) == 0 {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return time.Unix(seconds, 0), err == nil
}
