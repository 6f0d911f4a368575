package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/dropline/dropline"

// sourceFile is one parsed Go file that is compiled into the product (no test).
type sourceFile struct {
	path    string // from the top of the repository, with slashes
	dir     string
	syntax  *ast.File
	imports []string
}

// repository is the working copy that these tests run in.
func repository() fs.FS { return os.DirFS("../..") }

// productFiles are the Go files of the product's own module below root.
func productFiles(t *testing.T, root fs.FS) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := walk(root, func(name string) error {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || inOtherModule(root, name) {
			return nil
		}
		file, err := parse(root, name)
		files = append(files, file)
		return err
	})
	require.NoError(t, err)
	return files
}

// walk calls visit with every file that is part of the repository's own text, whoever wrote it.
func walk(root fs.FS, visit func(name string) error) error {
	return fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == ".dropline" || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.Type().IsRegular():
			return visit(name)
		}
		return nil
	})
}

func inOtherModule(root fs.FS, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, err := fs.Stat(root, path.Join(dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

func parse(root fs.FS, name string) (sourceFile, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return sourceFile{}, fmt.Errorf("parse %s: %w", name, err)
	}
	syntax, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
	if err != nil {
		return sourceFile{}, fmt.Errorf("parse %s: %w", name, err)
	}
	file := sourceFile{path: name, dir: path.Dir(name), syntax: syntax}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return sourceFile{}, fmt.Errorf("parse %s: import %s: %w", name, spec.Path.Value, err)
		}
		file.imports = append(file.imports, imported)
	}
	return file, nil
}

// within tells whether a path is the given one or lies below it: "net/http" is within "net".
func within(name, parent string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}

func withinAny(name string, parents []string) bool {
	for _, parent := range parents {
		if within(name, parent) {
			return true
		}
	}
	return false
}
