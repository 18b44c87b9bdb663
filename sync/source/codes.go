package source

import "slices"

// The codes of an Error. They are stable: scripts and alerts rest on them.
const (
	CodeMissing    = "source-missing"
	CodeUnreadable = "source-unreadable"
	CodeUnstable   = "source-unstable"
	CodeEmptied    = "file-emptied"
	CodeNotRegular = "not-regular"
	CodeFileSize   = "file-too-large"
	CodeTotalSize  = "source-too-large"
	CodeFiles      = "too-many-files"
	CodeDepth      = "too-deep"
	CodeOutside    = "symlink-outside"
	CodeLoop       = "symlink-loop"
	CodeDangling   = "symlink-dangling"
	CodeName       = "bad-name"
	CodeNameClash  = "name-clash"
)

// The codes of an Error that only a repository can have.
const (
	CodeRemote    = "remote-unreachable"
	CodeTimeout   = "remote-timeout"
	CodeAuth      = "remote-auth"
	CodeRedirect  = "remote-redirect"
	CodeProtocol  = "remote-protocol"
	CodeFetchSize = "fetch-too-large"
	CodeMirror    = "mirror-failed"
	CodeBranch    = "branch-gone"
	CodeRewritten = "history-rewritten"
	CodeAccepted  = "accepted-unknown"
	CodeSymlink   = "symlink-refused"
	CodeSubmodule = "submodule-refused"
	CodeLFS       = "lfs-pointer"
	CodeUnsigned  = "unsigned"
	CodeHostKey   = "host-key"
	CodeSlow      = "remote-slow"
	CodeNoVersion = "no-version"
)

// Explanation is what `weir explain` says of a code.
type Explanation struct {
	Code   string
	Means  string // what was found, one sentence
	Remedy string // what to do, one sentence
}

// Explain returns the explanation of code.
func Explain(code string) (Explanation, bool) {
	for _, e := range Explanations() {
		if e.Code == code {
			return e, true
		}
	}
	return Explanation{}, false
}

// Example returns something to write or to run for a code, "" for none.
func Example(code string) string {
	return map[string]string{
		CodeFileSize:  "limits: {fileBytes: 4194304}   # in weir.yaml",
		CodeTotalSize: "limits: {totalBytes: 134217728}   # in weir.yaml",
		CodeFiles:     "limits: {files: 100000}   # in weir.yaml",
		CodeFetchSize: "git: {url: https://git.example.com/ops/live.git, limits: {fetchBytes: 536870912}}",
		CodeTimeout:   "git: {url: https://git.example.com/ops/live.git, timeout: 5m}",
		CodeAuth:      "git: {url: https://git.example.com/ops/live.git, auth: {tokenFile: /run/secrets/git-token}}",
		CodeHostKey:   "ssh-keyscan git.example.com >known_hosts   # then compare it with what the host's operator publishes",
		CodeRewritten: "weir accept-rewrite 1f0c6b2a9e41   # the hash that `weir status` names",
		CodeUnsigned:  "git commit --amend --no-edit --gpg-sign",
		CodeLFS:       "git lfs untrack '*.yaml' && git add --renormalize .",
		CodeSymlink:   "cp --remove-destination \"$(readlink -f live/a.yaml)\" live/a.yaml",
		CodeBranch:    "git: {url: https://git.example.com/ops/live.git, branch: main}",
		CodeNoVersion: `git: {url: https://git.example.com/ops/live.git, semver: ">=1.2.0 <2.0.0"}`,
		CodeMissing:   "sources: [{name: live, directory: {path: ./live}}]   # relative to weir.yaml",
	}[code]
}

// Explanations returns one entry a code. Common to all: the last good revision
// stays in force, and the source is looked at again until it is well.
func Explanations() []Explanation { return slices.Concat(common(), ofRemotes(), ofRevisions()) }

func common() []Explanation {
	return []Explanation{
		{
			CodeMissing, "The source's folder does not exist, or an empty one stands where a filled one was.",
			"Mount or restore the folder, or correct the path in the config.",
		},
		{
			CodeUnreadable, "A file or folder of the source cannot be read.",
			"Give the user weir runs as the right to read it; the message names the cause.",
		},
		{
			CodeUnstable, "The files were being changed all the time, so no state of them could be trusted.",
			"Find what keeps writing, and let it write elsewhere and rename the finished file into place.",
		},
		{
			CodeEmptied, "A file that declared something became empty or kept only comments.",
			"Delete the file if what it declared shall go; an empty file may be a failed write.",
		},
		{
			CodeNotRegular, "Something with a manifest's name is a pipe, a socket or a device.",
			"Move it out of the source or rename it.",
		},
		{
			CodeFileSize, "A manifest file is larger than the limit.",
			"Split the file, or raise the limit in the config.",
		},
		{
			CodeTotalSize, "All manifest files together are larger than the limit.",
			"Point the source at a smaller folder, or raise the limit in the config.",
		},
		{
			CodeFiles, "The source has more files than the limit.",
			"Point the source at a smaller folder, or raise the limit in the config.",
		},
		{
			CodeDepth, "Folders are nested deeper than the limit.",
			"Move the manifests to a flatter tree.",
		},
		{
			CodeOutside, "A symbolic link leads out of the source's folder.",
			"Put the file itself there: a link may only lead to a place below the same folder.",
		},
		{
			CodeLoop, "A symbolic link leads back to itself or to a folder that it stands in.",
			"Remove the link.",
		},
		{
			CodeDangling, "A symbolic link leads to nothing.",
			"Remove the link, or restore what it leads to.",
		},
		{
			CodeName, "A file or folder has a name that logs and reviews would not show as it is.",
			"Rename it without control characters, marks of writing direction and invalid UTF-8.",
		},
		{
			CodeNameClash, "Two names in one folder differ only in upper and lower case.",
			"Rename one: on systems that ignore case one of them would replace the other.",
		},
	}
}

// ofRemotes are the codes of what keeps a repository from being reached or kept.
func ofRemotes() []Explanation {
	return []Explanation{
		{
			CodeRemote, "The git host cannot be reached, or says that it cannot answer.",
			"Look at the cause in the message; weir keeps trying, at least every five minutes.",
		},
		{
			CodeTimeout, "The git host did not answer in time.",
			"Look at the network and the host; a large first clone may need a longer timeout in the config.",
		},
		{
			CodeAuth, "The git host refuses the credentials, or they cannot be read.",
			"Renew the token, password, certificate or SSH key where the config says it is; it is read anew at each try.",
		},
		{
			CodeRedirect, "The git host answers with a redirect to another place, which weir does not follow.",
			"Put the repository's present URL into the config.",
		},
		{
			CodeProtocol, "What answered does not speak git's protocol, or sent a damaged pack.",
			"Look whether the URL is the repository's and whether a login page or proxy answers in its place.",
		},
		{
			CodeFetchSize, "A fetch, or an object in it, is larger than the limit.",
			"Take large files out of the repository's history, or raise the limit in the config.",
		},
		{
			CodeMirror, "The mirror of the repository cannot be written or read on this machine.",
			"Make room on the disk and give weir the right to write there; the mirror heals by itself.",
		},
		{
			CodeHostKey, "The SSH host shows a key that is not in the known_hosts file, or another one.",
			"Compare the key with the one the host's operator publishes, then put it into the known_hosts file.",
		},
		{
			CodeSlow, "The git host sends so slowly that the fetch was given up.",
			"Look at the network and the host; weir tries again, at least every five minutes.",
		},
	}
}

// ofRevisions are the codes of what a repository holds.
func ofRevisions() []Explanation {
	return []Explanation{
		{
			CodeBranch, "The branch, tag or commit is not in the repository any more.",
			"Restore it, or name another one in the config.",
		},
		{
			CodeRewritten, "The head does not descend from the commit that was accepted last, or a version is at another commit.",
			"Look at what was rewritten, then accept the new hash or push a commit that follows the old one.",
		},
		{
			CodeAccepted, "The commit that was accepted last cannot be read or stored.",
			"Look at the state store: without it a rewritten history could not be told from a regular one.",
		},
		{
			CodeSymlink, "The repository has a symbolic link among the manifests.",
			"Commit the file itself: weir never follows a link of a repository.",
		},
		{
			CodeSubmodule, "The repository has a submodule among the manifests.",
			"Commit the files themselves, or declare the other repository as a source of its own.",
		},
		{
			CodeLFS, "A manifest is only a pointer of Git LFS, not the content.",
			"Commit the file without LFS.",
		},
		{
			CodeUnsigned, "The head is not signed by a key in the files that `verify` names, or its signature is not valid.",
			"Push a commit or tag signed with a listed key, or list the signer's; accepting a rewrite does not replace it.",
		},
		{
			CodeNoVersion, "No tag of the repository is a version in the range that the config names.",
			"Push a tag with three numbers, such as v1.2.3, or widen the range; 1.2.3-rc.1 needs a range such as >=1.2.0-0.",
		},
	}
}
