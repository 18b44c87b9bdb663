//go:build unix

package sqlitestate

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"weir/sync/resource"
	"weir/sync/state"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestFailure_C17_ModeWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o777} {
		dir := t.TempDir()
		path := filepath.Join(dir, "weir.db")
		old := syscall.Umask(umask)
		s, err := Open(t.Context(), path, Options{})
		if err == nil {
			err = s.Save(t.Context(), benchRecord(1))
		}
		syscall.Umask(old)
		must(t, err)
		for _, side := range []string{"", "-wal", "-shm"} {
			if got := mode(t, path+side); got != 0o600 {
				t.Errorf("umask %04o: weir.db%s has mode %v", umask, side, got)
			}
		}
		shut(t, s)
	}
}

func TestFailure_C17_FolderIsMadeForOneUser(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lib", "weir")
	openAt(t, filepath.Join(dir, "weir.db"), Options{})
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if got := mode(t, d).Perm(); got != 0o700 {
			t.Errorf("%s has mode %v", d, got)
		}
	}
}

func TestFailure_C17_FolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	refused(t, filepath.Join(file, "weir.db"), state.Unusable, "not a directory")
}

func TestFailure_C17_PlantedFiles(t *testing.T) {
	cases := map[string]struct {
		plant func(path string) error
		words string
	}{
		"symbolic link":        {func(p string) error { return os.Symlink("/etc/passwd", p) }, "a symbolic link"},
		"link to nothing":      {func(p string) error { return os.Symlink("nothing", p) }, "a symbolic link"},
		"folder":               {func(p string) error { return os.Mkdir(p, 0o700) }, "a folder"},
		"fifo":                 {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "a special file"},
		"group may write":      {func(p string) error { return plant(p, 0o660) }, "others may write it (mode 0660)"},
		"all may write":        {func(p string) error { return plant(p, 0o602) }, "others may write it (mode 0602)"},
		"link in place of wal": {func(p string) error { return os.Symlink("/etc/passwd", p+"-wal") }, "weir.db-wal"},
		"wal all may write":    {func(p string) error { return plant(p+"-wal", 0o666) }, "weir.db-wal"},
		"shm all may write":    {func(p string) error { return plant(p+"-shm", 0o666) }, "weir.db-shm"},
		"journal of others":    {func(p string) error { return plant(p+"-journal", 0o666) }, "weir.db-journal"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			must(t, c.plant(path))
			before := listing(t, filepath.Dir(path))
			refused(t, path, state.Unsafe, c.words)
			if after := listing(t, filepath.Dir(path)); !reflect.DeepEqual(after, before) {
				t.Errorf("the folder was changed from %v to %v", before, after)
			}
		})
	}
}

// plant writes a file of exactly this mode.
func plant(path string, mode fs.FileMode) error {
	return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode))
}

func listing(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name()+" "+mode(t, filepath.Join(dir, e.Name())).String())
	}
	return names
}

func TestFailure_C17_FileOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := newPath(t)
	shut(t, openAt(t, path, Options{}))
	must(t, os.Chown(path, 65532, -1))
	refused(t, path, state.Unsafe, "belongs to another user")
}

func TestFailure_C17_ReadableFileIsClosedToOthers(t *testing.T) {
	path := newPath(t)
	shut(t, openAt(t, path, Options{}))
	must(t, os.Chmod(path, 0o644))
	openAt(t, path, Options{})
	if got := mode(t, path); got != 0o600 {
		t.Errorf("mode %v", got)
	}
}

// TestOpen_OddPaths makes sure that no character of a path is a parameter to
// the driver.
func TestOpen_OddPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "a?mode=memory", "50%41.db", "#x.db", "直播.db", "it's;.db", "+&=.db"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s := openAt(t, path, Options{})
			must(t, s.Save(t.Context(), benchRecord(1)))
			if s.Path() != path || mode(t, path) != 0o600 {
				t.Errorf("path %s, mode %v", s.Path(), mode(t, path))
			}
			if got := mode(t, path+"-wal"); got != 0o600 {
				t.Errorf("the write-ahead log has mode %v", got)
			}
		})
	}
}

func TestOpen_Relative(t *testing.T) {
	t.Chdir(t.TempDir())
	s := openAt(t, "weir.db", Options{})
	wd, err := os.Getwd()
	must(t, err)
	if s.Path() != filepath.Join(wd, "weir.db") {
		t.Errorf("path %s", s.Path())
	}
}

func TestOpen_Temporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := openAt(t, Temporary, Options{})
	must(t, s.Save(t.Context(), benchRecord(1)))
	if got := records(t, s); !reflect.DeepEqual(got, []resource.Applied{benchRecord(1)}) {
		t.Errorf("got %v", got)
	}
	shut(t, s)
	if left := listing(t, os.TempDir()); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpen_RefusesOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"entries": {MaxEntries: -1}, "busy": {BusyTimeout: -1}, "bytes": {MaxBytes: -1}, "age": {MaxAge: -1},
	} {
		path := newPath(t)
		if _, err := Open(t.Context(), path, o); err == nil {
			t.Errorf("%s: opened", name)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the file was made", name)
		}
	}
}

func TestFailure_P18_FileOfAnotherProgram(t *testing.T) {
	other := func(statements ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			must(t, err)
			for _, s := range statements {
				_, err := db.Exec(s)
				must(t, err)
			}
			must(t, db.Close(), os.Chmod(path, 0o600))
		}
	}
	text := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(text), 0o600)) }
	}
	cases := map[string]func(t *testing.T, path string){
		"database":           other("CREATE TABLE t (x)"),
		"database in wal":    other("PRAGMA journal_mode=WAL", "CREATE TABLE t (x)"),
		"emptied database":   other("CREATE TABLE t (x)", "DROP TABLE t"),
		"marked database":    other("PRAGMA application_id=4711"),
		"database of format": other("PRAGMA user_version=1"),
		"text":               text(strings.Repeat("kind: RelaySource\n", 100)),
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			make(t, path)
			before, err := os.ReadFile(path)
			must(t, err)
			refused(t, path, state.Foreign, "weir leaves it as it is")
			after, err := os.ReadFile(path)
			must(t, err)
			if string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestOpen_HalfCreated opens what a process left that died while creating.
func TestOpen_HalfCreated(t *testing.T) {
	cases := map[string]func(path string) error{
		"empty file": func(p string) error { return plant(p, 0o600) },
		"no tables yet": func(p string) error {
			db, err := sql.Open("sqlite", p)
			_, err2 := db.Exec("PRAGMA journal_mode=WAL")
			return errors.Join(err, err2, db.Close(), os.Chmod(p, 0o600))
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			must(t, make(path))
			must(t, openAt(t, path, Options{}).Save(t.Context(), benchRecord(1)))
		})
	}
}

// FuzzJudgeHeader feeds first bytes of any file: only those of an empty
// database or of a store of a known format pass.
func FuzzJudgeHeader(f *testing.F) {
	whole := newWorld().save(f)[:headerSize]
	f.Add(whole)
	f.Add(whole[:headerSize-1])
	f.Add(make([]byte, headerSize))
	f.Add([]byte(magic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, header []byte) {
		err := judgeHeader(header)
		if err == nil {
			marked := binary.BigEndian.Uint32(header[applicationAt:]) == applicationID && header[formatAt+3] >= 1 && int(header[formatAt+3]) <= len(schema())
			fresh := allZero(header[formatAt:formatAt+4]) && allZero(header[applicationAt:applicationAt+4])
			if !strings.HasPrefix(string(header), magic) || !marked && !fresh {
				t.Errorf("%q passed", header)
			}
			return
		}
		if state.FaultOf(err) == "" {
			t.Errorf("%q: %v", header, err)
		}
	})
}
