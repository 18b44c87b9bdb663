package source

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

// Explanations returns one entry a code. Common to all: the last good revision
// stays in force, and the source is looked at again until it is well.
func Explanations() []Explanation {
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
