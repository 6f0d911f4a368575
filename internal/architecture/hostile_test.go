package architecture

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// answers say which tests hold Dropline to each kind of attack. A test that is renamed or removed
// must be named here again.
var answers = []struct {
	attack string
	tests  map[string]string // by folder; several names apart by spaces
}{
	{"webhook unsigned, forged, with one bit changed, of another tenant's secret", map[string]string{
		"internal/gateway": "TestForgedDeliveriesAreRefusedAlikeAndLeaveNothing TestEveryOperationOpensToItsOwnCredentialsOnly FuzzDelivery",
		"internal/webhook": "TestOneBitChangedIsRefused TestEmptySecretNeverVerifies FuzzVerify FuzzVerifyBase64HMAC FuzzVerifyEasyPost",
	}},
	{"webhook old, replayed, huge", map[string]string{
		"internal/gateway": "TestOldDeliveriesAreRefused TestReplayedDeliveryChangesNothing TestDeliveriesOfOtherShapesAreRefused TestDeliveryAtTheLimitsIsTaken",
		"internal/webhook": "TestReplayWindowIsClosedOnBothSides",
		"internal/intake":  "TestADocumentIsStoredOnceAndAnImpostorIsQuarantined",
	}},
	{"token of the wrong role, storefront or algorithm, or revoked", map[string]string{
		"internal/gateway": "TestEveryOperationOpensToItsOwnCredentialsOnly TestRequestsWithoutAValidKeyAreRefusedAlike TestEachRoleMayDoWhatItIsFor TestOrderOfAnotherStorefrontLooksLikeNone",
		"internal/apikey":  "TestRevokedKeyIsRefusedEverywhereWithinHalfAMinute TestKeyWithOneWrongLetterIsRefused FuzzToken",
	}},
	{"link to a return page forged, expired, of another shop or order", map[string]string{
		"internal/gateway":    "TestNobodyComesInWithoutAGenuineToken TestAnOrdersPageReachesNothingOfAnotherOrder",
		"internal/returnlink": "TestEveryBitOfATokenCounts FuzzRead",
	}},
	{"forms and pictures that are none, or huge, or hold markup", map[string]string{
		"internal/gateway": "TestFormsThatBreakRulesAskForNothingAndSayWhatToCorrect TestWhatStandsInAnOrderIsTextOnThePage TestAFormThatIsSentTwiceAsksOnce",
	}},
	{"secrets and keys that must be replaced", map[string]string{
		"internal/gateway": "TestAPageLivesThroughTheReplacementOfItsKey TestSecretIsReplacedWithoutAGapAndTheOldOneEnds TestKeyIsReplacedWithoutAGapAndTheOldOneEnds",
	}},
	{"contract's address that leads inside", map[string]string{
		"internal/outbound": "TestNameThatLeadsInsideIsRefusedAfterItWasResolved TestNameThatChangesItsAddressIsCheckedAtEveryConnection " +
			"TestAddressOfTheInsideIsRefusedInEveryWriting TestRedirectInsideIsRefusedWhereItLeads TestProxyOfTheEnvironmentIsNotUsed FuzzAddress",
	}},
	{"formulas in CSV", map[string]string{"internal/ledger": "TestCSVExportIsNoFormulaWhateverAnOrderIsCalled"}},
	{"paths in names of files", map[string]string{"internal/architecture": "TestNoFileIsNamedByWhatComesIn", "internal/gateway": "FuzzAddress"}},
	{"decompression bombs", map[string]string{
		"internal/architecture": "TestNothingThatComesInIsUnpacked", "internal/outbound": "TestCompressedAnswerIsNotUnpacked",
		"internal/gateway": "TestEveryOperationTakesHostileTransportsWithoutHarm",
	}},
	{"SQL metacharacters", map[string]string{
		"internal/gateway":      "TestSQLMetacharactersAreTextFromEndToEnd TestEveryOperationTakesHostileBodiesWithoutHarm TestEveryOperationTakesHostileParametersWithoutHarm",
		"internal/architecture": "TestSQLIsNotPutTogetherFromWhatComesIn",
	}},
	{"forged lines in the log, on cards and terminals", map[string]string{
		"internal/gateway": "TestEveryRequestHasANameAndOneLineInTheLog FuzzAddress", "internal/carrier/easypost": "FuzzParsePush FuzzPollAnswer FuzzLabelAnswer",
		"internal/order": "FuzzParseKey", "internal/storefront/push": "FuzzRefundAnswer", "internal/catalog": "FuzzParse",
	}},
	{"headers in mail", map[string]string{"internal/notify": "TestForeignTextCannotAddHeaders FuzzMessage FuzzLetter"}},
	{"floods", map[string]string{"internal/gateway": "TestAnOrdersPageIsNotAskedForWithoutEnd TestFloodOfOnePartnerIsSlowedAndOthersPass TestAnswerToAGreatManyMistakesIsShort"}},
	{"requests that two readers would understand differently", map[string]string{
		"internal/gateway": "TestConnectionsThatSpeakBadHTTPGetOneRefusal TestMembersThatOneReaderTakesForTheSameAreRefused",
	}},
	{"payloads that are too large for a history", map[string]string{"internal/engine": "TestPayloadOverTheLimitFailsAtItsCallerAndIsNotTriedAgain"}},
	{"guessing of secrets by time", map[string]string{"internal/architecture": "TestSecretsAreComparedInConstantTime"}},
}

func TestEveryAttackHasItsTests(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	eachText(t, []string{"_test.go"}, func(name string, text []byte) {
		for _, found := range function.FindAllSubmatch(text, -1) {
			declared[path.Dir(name)+" "+string(found[1])] = true
		}
	})
	for _, answer := range answers {
		for folder, names := range answer.tests {
			for name := range strings.FieldsSeq(names) {
				require.True(t, declared[folder+" "+name], "%s: there is no test %s in %s", answer.attack, name, folder)
			}
		}
	}
}

// secretWords name what nobody outside may learn letter by letter from the time that a comparison takes.
var secretWords = regexp.MustCompile(`(?i)(secret|token|signature|password|hmac|mac)$`)

// compared are the comparisons of such values that are none of a secret with a guess.
var compared = []string{
	"internal/supplier/restapi/strict.go", // the tokens of JSON
}

func TestSecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	require.Empty(t, quickComparisons(productFiles(t, repository())))
	seeded := fstest.MapFS{"a/a.go": {Data: []byte("package a\nfunc f(secret, guess, token string, mac []byte) bool {\n" +
		"if secret == \"\" { return false }\nif bytes.Equal(mac, token) || secret == guess { return true }\nreturn strings.EqualFold(token, guess) }\n")}}
	file, err := parse(seeded, "a/a.go")
	require.NoError(t, err)
	require.Len(t, quickComparisons([]sourceFile{file}), 4, "a quick comparison is seen")
}

// quickComparisons finds values with a secret's name that are compared by ==, bytes.Equal and the like.
// To compare with "" or nil tells nothing.
func quickComparisons(files []sourceFile) []string {
	var found []string
	for _, file := range files {
		// The plays and tools hold no secret of anybody.
		if withinAny(file.dir, tools) || slices.Contains(compared, file.path) {
			continue
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			var sides []ast.Expr
			switch at := n.(type) {
			case *ast.BinaryExpr:
				if at.Op == token.EQL || at.Op == token.NEQ {
					sides = []ast.Expr{at.X, at.Y}
				}
			case *ast.CallExpr:
				if slices.Contains([]string{"bytes.Equal", "bytes.Compare", "strings.EqualFold", "strings.Compare", "slices.Equal"}, called(at)) {
					sides = at.Args
				}
			}
			if slices.ContainsFunc(sides, isConstant) {
				return true
			}
			for _, side := range sides {
				if name := lastName(side); secretWords.MatchString(name) {
					found = append(found, fmt.Sprintf("%s: compares %s: use crypto/subtle or hmac.Equal", file.path, name))
				}
			}
			return true
		})
	}
	return found
}

// tools are rooms that only ever meet what they made up themselves.
var tools = []string{
	"internal/sim", "internal/demo", "internal/stage", "internal/mutants", "internal/bench", "internal/crash", "internal/simulation",
	"internal/processes", "internal/soak",
}

func isConstant(e ast.Expr) bool {
	switch at := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return at.Name == "nil"
	}
	return false
}

func lastName(e ast.Expr) string {
	switch at := e.(type) {
	case *ast.Ident:
		return at.Name
	case *ast.SelectorExpr:
		return at.Sel.Name
	case *ast.SliceExpr:
		return lastName(at.X)
	case *ast.CallExpr:
		return lastName(at.Fun)
	}
	return ""
}

// called is "package.Function" of a call.
func called(call *ast.CallExpr) string {
	if selector, is := call.Fun.(*ast.SelectorExpr); is {
		if pkg, is := selector.X.(*ast.Ident); is {
			return pkg.Name + "." + selector.Sel.Name
		}
	}
	return ""
}

// A small archive can hold a huge one.
func TestNothingThatComesInIsUnpacked(t *testing.T) {
	t.Parallel()
	for _, file := range productFiles(t, repository()) {
		for _, imported := range file.imports {
			require.False(t, !withinAny(file.dir, tools) && withinAny(imported, []string{"compress", "archive"}), "%s unpacks: bound what comes out first", file.path)
		}
	}
}

// Files are written by the command line alone, where the operator names
// them.
func TestNoFileIsNamedByWhatComesIn(t *testing.T) {
	t.Parallel()
	writes := []string{"os.Create", "os.OpenFile", "os.WriteFile", "os.Mkdir", "os.MkdirAll", "os.Rename", "os.Remove", "os.RemoveAll", "os.Symlink", "os.CreateTemp"}
	reads := []string{"os.Open", "os.ReadFile", "os.ReadDir", "os.DirFS"}
	for _, file := range productFiles(t, repository()) {
		if file.dir == "starter" || withinAny(file.dir, tools) {
			continue
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			if call, is := n.(*ast.CallExpr); is {
				require.NotContains(t, append(writes, reads...), called(call), file.path)
			}
			return true
		})
	}
}

// A statement is a constant, or is joined from constants and
// numbers. What is listed was looked at.
func TestSQLIsNotPutTogetherFromWhatComesIn(t *testing.T) {
	t.Parallel()
	statement := regexp.MustCompile(`(?i)^\s*(select|insert|update|delete|with|create|alter|drop)\b`)
	for _, file := range productFiles(t, repository()) {
		if withinAny(file.dir, tools) {
			continue
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is || called(call) != "fmt.Sprintf" || len(call.Args) < 2 {
				return true
			}
			if literal, is := call.Args[0].(*ast.BasicLit); is && statement.MatchString(strings.Trim(literal.Value, "\"`")) {
				require.Contains(t, formatted, file.path, "a statement is formatted: pass what varies as an argument")
			}
			return true
		})
	}
}

// formatted are files whose formatted statements hold nothing that comes from outside.
var formatted = []string{}
