package manifest

// The codes of problems that the loader itself finds; the others are those of
// package schema. They are stable: tools and people look them up.
const (
	CodeFileTooLarge      = "file-too-large"
	CodeBadEncoding       = "bad-encoding"
	CodeBadCharacter      = "bad-character"
	CodeTooDeep           = "too-deep"
	CodeTooManyValues     = "too-many-values"
	CodeSyntax            = "syntax"
	CodeTabIndent         = "tab-indent"
	CodeDuplicateKey      = "duplicate-key"
	CodeBadKey            = "bad-key"
	CodeMergeKey          = "merge-key"
	CodeUnknownAnchor     = "unknown-anchor"
	CodeAliasCycle        = "alias-cycle"
	CodeAliasExpansion    = "alias-expansion"
	CodeExplicitTag       = "explicit-tag"
	CodeNotFinite         = "not-finite"
	CodeNotAMapping       = "not-a-mapping"
	CodeOneDocument       = "one-document"
	CodeEmptyFile         = "empty-file"
	CodeUnknownAccount    = "unknown-account"
	CodeAmbiguousAccount  = "ambiguous-account"
	CodeNoAccount         = "no-account"
	CodeDuplicateIdentity = "duplicate-identity"
	CodeNotOwned          = "not-owned"
	CodeKeptForever       = "kept-forever"
	CodeSecretInText      = "secret-in-text"
	CodeMoreProblems      = "more-problems"
	CodeDriftRule         = "drift-rule"
	CodeReceiver          = "receiver"
	CodeTemplate          = "template"
	CodeDriftPath         = "drift-path"
	CodePoisonedRevision  = "poisoned-revision"
	CodeNoNormalForm      = "no-normal-form"
	CodePlainCredentials  = "plain-credentials" //nolint:gosec // names a fault, is none
)
