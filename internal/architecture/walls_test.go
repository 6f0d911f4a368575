package architecture

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// technology are the packages that may touch the world: disks, networks, databases, clocks. Every
// other package below internal/ holds rules, and so does each new one until it is named here. A
// trailing /* means the packages below, not the port itself.
var technology = []string{
	"internal/address",
	"internal/apikey",
	"internal/audit",
	"internal/carrier/*",
	"internal/codec",
	"internal/config",
	"internal/demo",
	"internal/engine",
	"internal/facts",
	"internal/fraud",
	"internal/gateway",
	"internal/intake",
	"internal/ledgerbook",
	"internal/mutants",
	"internal/notify",
	"internal/orderview",
	"internal/outbound",
	"internal/outbox",
	"internal/partners",
	"internal/payment",
	"internal/paymentdesk",
	"internal/postgres",
	"internal/reconcile",
	"internal/refunddesk",
	"internal/returndesk",
	"internal/claimdesk",
	"internal/service",
	"internal/sim",
	"internal/storefront/*",
	"internal/supplier/*",
	"internal/telemetry",
	"internal/tracking",

	// What proves the product: it runs it whole, breaks it and measures it.
	"internal/bench",
	"internal/crash",
	"internal/mutants",
	"internal/processes",
	"internal/simulation",
	"internal/soak",
	"internal/stage",
}

// engineWords are pure packages that put our words into the engine's types, for workflows to use.
var engineWords = []string{"internal/visibility"}

// world is what rules and workflows do without: it answers differently on a replay, or not at all.
var world = []string{
	"crypto/rand",
	"database/sql",
	"github.com/jackc",
	"github.com/rs/zerolog",
	"io/fs",
	"log",
	"math/rand",
	"net/http",
	"os",
	"syscall",
}

// clocks are the functions of package time that ask or wait for the machine's clock.
var clocks = []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}

// owners says who may know a technology. Everyone else goes through the owner's functions, so that
// replacing it touches one package.
var owners = map[string][]string{
	"github.com/danielgtaylor/huma": {"internal/gateway", "internal/sim"},
	"github.com/emersion/go-smtp":   {"internal/sim"},
	"github.com/pressly/goose":      {"internal/postgres"},
	"github.com/spf13/cobra":        {"starter", "worker"},
	"github.com/wneessen/go-mail":   {"internal/notify"},
}

// programs only wire, parse and run: nobody imports them, so nothing that others need hides there.
var programs = []string{"worker", "starter", "internal/demo/dropline-demo", "internal/crash/dropline-crash", "internal/bench/dropline-bench", "internal/soak/dropline-soak", "internal/simulation/dropline-sim"}

func TestWallsStand(t *testing.T) {
	t.Parallel()
	require.Empty(t, strings.Join(breaches(productFiles(t, repository())), "\n"))
}

func TestWallsAreSeenWhenBroken(t *testing.T) {
	t.Parallel()
	const order = "internal/order/a.go"
	for name, test := range map[string]struct {
		path, body, breach string
	}{
		"rule queries the database": {
			order, `import "github.com/jackc/pgx/v5"`, "rules import github.com/jackc/pgx/v5",
		},
		"rule opens a file": {
			order, `import "os"`, "rules import os",
		},
		"rule knows the engine": {
			order, `import "go.temporal.io/sdk/workflow"`, "rules import go.temporal.io",
		},
		"rule imports an adapter": {
			order, `import "github.com/dropline/dropline/internal/supplier/x12"`, "rules import internal/supplier/x12",
		},
		"port imports an adapter": {
			"internal/supplier/a.go", `import "github.com/dropline/dropline/internal/supplier/x12"`,
			"rules import internal/supplier/x12",
		},
		"rule asks the clock": {
			order, "import clock \"time\"\nvar now = clock.Now()", "time.Now",
		},
		"rule starts a goroutine": {
			order, "func f() { go f() }", "a goroutine",
		},
		"new package is held to the rules": {
			"internal/novelty/a.go", `import "net/http"`, "rules import net/http",
		},
		"workflow does I/O": {
			"workflows/a.go", `import "database/sql"`, "workflows import database/sql",
		},
		"workflow reaches an adapter": {
			"workflows/a.go", `import "github.com/dropline/dropline/internal/postgres"`, "workflows import internal/postgres",
		},
		"workflow sleeps": {
			"workflows/a.go", "import \"time\"\nfunc f() { time.Sleep(1) }", "time.Sleep",
		},
		"activity writes mail itself": {
			"activities/a.go", `import "github.com/wneessen/go-mail"`, "only internal/notify may import github.com/wneessen/go-mail",
		},
		"somebody imports a program": {
			"internal/gateway/a.go", `import "github.com/dropline/dropline/worker"`, "imports the program worker",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := breaches(productFiles(t, fstest.MapFS{test.path: goFile(test.body)}))
			require.Len(t, found, 1)
			require.True(t, strings.HasPrefix(found[0], test.path+": "+test.breach), found[0])
		})
	}
}

func TestWallsLetTheirOwnersThrough(t *testing.T) {
	t.Parallel()
	require.Empty(t, breaches(productFiles(t, fstest.MapFS{
		"internal/postgres/a.go":     goFile(`import "github.com/jackc/pgx/v5"`),
		"internal/supplier/x12/a.go": goFile(`import "os"`),
		"internal/sla/a.go":          goFile("import \"time\"\nvar zero = time.Unix(0, 0)"),
		"internal/sla/a_test.go":     goFile(`import "os"`),
		"internal/routing/a.go":      goFile(`import "github.com/dropline/dropline/internal/money"`),
		"internal/visibility/a.go":   goFile(`import "go.temporal.io/sdk/temporal"`),
		"workflows/a.go":             goFile(`import "go.temporal.io/sdk/workflow"`),
		"devstack/go.mod":            {Data: []byte("module other")},
		"devstack/internal/sla/a.go": goFile(`import "os"`),
	})))
}

// breaches names each place where a wall is broken, and what to do about it.
func breaches(files []sourceFile) []string {
	var found []string
	for _, file := range files {
		for _, imported := range file.imports {
			if breach := importBreach(file.dir, imported); breach != "" {
				found = append(found, file.path+": "+breach)
			}
		}
		if holdsRules(file.dir) || within(file.dir, "workflows") {
			for _, use := range impureUses(file) {
				found = append(found, file.path+": "+use)
			}
		}
	}
	return found
}

func importBreach(dir, imported string) string {
	local, ours := strings.CutPrefix(imported, module+"/")
	pure := !withinAny(imported, world) && (!ours || holdsRules(local))
	switch {
	case ours && withinAny(local, programs) && !withinAny(dir, programs):
		return fmt.Sprintf("imports the program %s; move what is needed into a package", local)
	case holdsRules(dir) && within(imported, "go.temporal.io") && !withinAny(dir, engineWords):
		return "rules import go.temporal.io; decide here, and orchestrate in workflows/"
	case holdsRules(dir) && !pure:
		return fmt.Sprintf("rules import %s; take what is needed as an argument, or, if this package is "+
			"an adapter, name it in technology (internal/architecture)", strings.TrimPrefix(imported, module+"/"))
	case within(dir, "workflows") && !pure && !within(local, "workflows"):
		return fmt.Sprintf("workflows import %s; reach it through an activity, by name",
			strings.TrimPrefix(imported, module+"/"))
	}
	for known, allowed := range owners {
		if within(imported, known) && !withinAny(dir, allowed) {
			return fmt.Sprintf("only %s may import %s; use its functions", strings.Join(allowed, ", "), known)
		}
	}
	return ""
}

// holdsRules tells whether a package is bound to be pure: below internal/ and not an adapter.
func holdsRules(dir string) bool {
	if !within(dir, "internal") || dir == "internal/architecture" {
		return false
	}
	return !slices.ContainsFunc(technology, func(adapter string) bool {
		if port, ok := strings.CutSuffix(adapter, "/*"); ok {
			return dir != port && within(dir, port)
		}
		return within(dir, adapter)
	})
}

// impureUses finds where a file asks the clock or starts a goroutine.
func impureUses(file sourceFile) []string {
	clock := importName(file.syntax, "time")
	var found []string
	ast.Inspect(file.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found = append(found, "a goroutine; rules and workflows run in one order only (workflow.Go in workflows)")
		case *ast.SelectorExpr:
			base, ok := node.X.(*ast.Ident)
			if ok && base.Name == clock && slices.Contains(clocks, node.Sel.Name) {
				found = append(found, "time."+node.Sel.Name+"; take the time as an argument (workflow.Now in workflows)")
			}
		}
		return true
	})
	return found
}

// importName is the name by which a file calls a standard package, "" if it does not import it.
func importName(file *ast.File, standard string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value != `"`+standard+`"` {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return standard
	}
	return ""
}

func goFile(body string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("package p\n" + body + "\n")}
}
