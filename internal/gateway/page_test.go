package gateway_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returnlink"
	"github.com/dropline/dropline/internal/returns"
)

const (
	pageKey   = "signs the links of the tests"
	pageHost  = "https://returns.example"
	firstMark = "page-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

var mugs = order.Key{Storefront: "shop", Order: "1001"}

func pageLinks(t *testing.T, keys ...string) *returnlink.Links {
	t.Helper()
	l, err := returnlink.New(pageHost, keys)
	require.NoError(t, err)
	return l
}

// customers is a fixture with return pages, whose order was delivered three days ago, and its page's path.
func customers(t *testing.T, change ...func(*gateway.Config)) (*fixture, string) {
	t.Helper()
	links := pageLinks(t, pageKey)
	f := setup(t, append([]func(*gateway.Config){func(c *gateway.Config) { c.Links = links }}, change...)...)
	f.delivered(3)
	return f, strings.TrimPrefix(links.For(mugs, time.Now()), pageHost)
}

// field is one field of a form; a file has a name.
type field struct {
	name, value string
	file        string
}

func oneMugBack(more ...field) []field {
	return append([]field{
		{name: "request", value: firstMark}, {name: "quantity-1", value: "1"}, {name: "reason-1", value: "damaged"}, {name: "resolution", value: "refund"},
	}, more...)
}

// sent posts a form as a browser does.
func (f *fixture) sent(path string, fields ...field) answer {
	f.t.Helper()
	body, contentType := multipartForm(f.t, fields)
	return f.do(http.MethodPost, path, "", body, "Content-Type", contentType)
}

func multipartForm(t *testing.T, fields []field) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, one := range fields {
		head := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + one.name + `"`}}
		if one.file != "" {
			head.Set("Content-Disposition", `form-data; name="`+one.name+`"; filename="`+one.file+`"`)
			head.Set("Content-Type", "image/jpeg")
		}
		part, err := w.CreatePart(head)
		require.NoError(t, err)
		_, err = part.Write([]byte(one.value))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

func drawn(t *testing.T, kind string, width int) string {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, width, 2), color.Palette{color.Black, color.White})
	var b bytes.Buffer
	switch kind {
	case "png":
		require.NoError(t, png.Encode(&b, m))
	case "gif":
		require.NoError(t, gif.Encode(&b, m, nil))
	default:
		require.NoError(t, jpeg.Encode(&b, m, nil))
	}
	return b.String()
}

// isPage checks what every page for customers has.
func isPage(t *testing.T, status int, got answer) {
	t.Helper()
	require.Equal(t, status, got.StatusCode, got.body)
	require.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
	require.Contains(t, got.Header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-")
	require.NotContains(t, got.Header.Get("Content-Security-Policy"), "unsafe")
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	require.Equal(t, "no-referrer", got.Header.Get("Referrer-Policy"))
	require.Equal(t, "DENY", got.Header.Get("X-Frame-Options"))
	require.NotContains(t, got.Header, "Set-Cookie")
	require.NotRegexp(t, `(?i)<script|<link|<img|https?://|@import|url\(`, got.body)
	// What is drawn by chance may spell any word.
	said := regexp.MustCompile(`page-[A-Z2-7]+|/r/[\w-]+`).ReplaceAllString(got.body, "")
	require.NotRegexp(t, leaks, strings.ReplaceAll(said, "<select ", ""))
}

func TestACustomerAsksOnThePageAndSeesWhatCameOfIt(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	page := f.get(path, "")
	isPage(t, http.StatusOK, page)
	require.Contains(t, page.body, "Blue mug")
	require.Contains(t, page.body, "Can come back until "+time.Now().UTC().AddDate(0, 0, 27).Format("2 January 2006"))
	require.Contains(t, page.body, "It was not sent to you.", "the other line says why not")
	require.Equal(t, len(returns.Reasons)+1+3, strings.Count(page.body, "<option"), "all reasons, and none to two units")
	mark := regexp.MustCompile(`name="request" value="(page-[A-Z2-7]{26})"`).FindStringSubmatch(page.body)
	require.Len(t, mark, 2)
	require.NotContains(t, f.get(path, "").body, mark[1], "each form has a name of its own")

	form := oneMugBack(field{name: "note", value: "The handle\r\nis <b>off</b>.\x00"}, field{name: "photos", value: drawn(t, "jpeg", 2), file: "../a.exe"},
		field{name: "photos", value: drawn(t, "png", 2), file: "b.png"}, field{name: "photos", file: "x"})
	form[0].value = mark[1]
	before := f.nudged.Load()
	got := f.sent(path, form...)
	require.Equal(t, http.StatusSeeOther, got.StatusCode, got.body)
	require.Equal(t, path+"/asked/"+mark[1], got.Header.Get("Location"))
	require.Greater(t, f.nudged.Load(), before, "its workflow begins at once")

	shown := f.get(got.Header.Get("Location"), "")
	isPage(t, http.StatusOK, shown)
	rma := mugs.PurchaseOrderNumber(1) + "-R1"
	for _, text := range []string{"Your return is granted", rma, "1 × Blue mug", "Hand the goods in until ", "Cancel this return"} {
		require.Contains(t, shown.body, text)
	}
	again := f.get(path, "")
	require.Contains(t, again.body, "Your returns")
	require.Contains(t, again.body, rma)

	var one orderview.Return
	require.NoError(t, json.Unmarshal([]byte(f.get("/v1/returns/"+rma, f.support).body), &one))
	require.Equal(t, "The handle\nis <b>off</b>.", one.Note)
	require.Equal(t, []string{returnsPath + "/" + rma + "/photos/1", returnsPath + "/" + rma + "/photos/2"}, one.Photos)
	require.Contains(t, one.Story[0].Text, "by request of customer")
	require.NotContains(t, f.get("/v1/orders/shop/1001", f.shop).body, "handle", "an order's view holds no words of its customer")
	require.Zero(t, f.count(`SELECT count(*) FROM returns WHERE state::text LIKE '%handle%'`), "nor does anything that goes into a history")
	picture := f.get(one.Photos[1], f.support)
	require.Equal(t, drawn(t, "png", 2), picture.body)
	require.Equal(t, "image/png", picture.Header.Get("Content-Type"))
	require.Equal(t, "attachment", picture.Header.Get("Content-Disposition"))
	require.Equal(t, http.StatusNotFound, f.get(one.Photos[1], f.other).StatusCode)
	require.Equal(t, http.StatusNotFound, f.get(strings.Replace(one.Photos[0], "1001", "1002", 1), f.support).StatusCode)
	require.Equal(t, http.StatusNotFound, f.get(returnsPath+"/"+rma+"/photos/3", f.support).StatusCode)
	require.NotContains(t, f.log.String(), path[3:20], "no token stands in the log")
}

func TestAFormThatIsSentTwiceAsksOnce(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	form := oneMugBack(field{name: "photos", value: drawn(t, "jpeg", 2), file: "a.jpg"})
	var clicks sync.WaitGroup
	for range 4 {
		clicks.Go(func() {
			body, contentType := multipartForm(t, form)
			got := f.do(http.MethodPost, path, "", body, "Content-Type", contentType)
			if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != path+"/asked/"+firstMark {
				t.Errorf("answered %d: %s", got.StatusCode, got.body)
			}
		})
	}
	clicks.Wait()
	require.Equal(t, 1, f.count(`SELECT count(*) FROM returns`))
	require.Equal(t, 1, f.count(`SELECT count(*) FROM return_pictures`))

	other := oneMugBack(field{name: "note", value: "one more"})
	got := f.sent(path, other...)
	isPage(t, http.StatusConflict, got)
	require.Contains(t, got.body, "You have sent this form before")
	require.Contains(t, got.body, "one more", "what was written is not lost")
	require.NotContains(t, got.body, firstMark, "sent again, it asks for something new")
	require.Equal(t, 1, f.count(`SELECT count(*) FROM returns`))
}

// What a customer sent before, or can no longer send, is told where there is no form to send instead, too.
func TestAFormThatCountsForNothingSaysSoWhereNothingMoreCanComeBack(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	form := oneMugBack()
	form[1].value = "2"
	require.Equal(t, http.StatusSeeOther, f.sent(path, form...).StatusCode)
	got := f.sent(path, append(form, field{name: "note", value: "one more"})...)
	isPage(t, http.StatusConflict, got)
	require.Contains(t, got.body, "There is nothing of this order that can be sent back right now.")
	require.Contains(t, got.body, "You have sent this form before, with other content; what came of that is below.")
	require.NotContains(t, got.body, "send this one")
	got = f.sent(path, append(form, field{name: "quantity-7", value: "1"})...)
	isPage(t, http.StatusUnprocessableEntity, got)
	require.Contains(t, got.body, "What you asked for cannot be sent back right now; see below.")
	require.Equal(t, 1, f.count(`SELECT count(*) FROM returns`))
}

func TestNobodyComesInWithoutAGenuineToken(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	token := strings.TrimPrefix(path, "/r/")
	foreign := strings.TrimPrefix(pageLinks(t, "another key of another shop").For(mugs, time.Now()), pageHost)
	ended := strings.TrimPrefix(pageLinks(t, pageKey).For(mugs, time.Now().Add(-returnlink.Valid-24*time.Hour)), pageHost)
	unknown := strings.TrimPrefix(pageLinks(t, pageKey).For(order.Key{Storefront: "shop", Order: "1002"}, time.Now()), pageHost)
	huge := oneMugBack(field{name: "photos", value: strings.Repeat("x", 1<<20), file: "a"})
	for forged, status := range map[string]int{
		"/r/" + token[:len(token)-1]: 404, "/r/A" + token: 404, "/r/" + strings.ToLower(token): 404, "/r/shop%2f1001": 404, "/r/%00": 404,
		"/r/" + strings.Repeat("A", 4000): 404, foreign: 404, ended: 410, unknown: 404,
	} {
		isPage(t, status, f.get(forged, ""))
		isPage(t, status, f.sent(forged, huge...))
		isPage(t, status, f.get(forged+"/asked/"+firstMark, ""))
		isPage(t, status, f.sent(forged+"/returns/"+mugs.PurchaseOrderNumber(1)+"-R1/cancel"))
	}
	require.Zero(t, f.count(`SELECT count(*) FROM return_requests`))
	require.NotContains(t, f.get(ended, "").body, "Blue mug")
	for _, key := range []string{f.operator, f.shop} {
		require.Equal(t, http.StatusNotFound, f.get("/r/"+key, key).StatusCode, "a key opens the API and no page")
	}
}

func TestAPageLivesThroughTheReplacementOfItsKey(t *testing.T) {
	t.Parallel()
	f, path := customers(t, func(c *gateway.Config) { c.Links = pageLinks(t, "the key that comes next", pageKey) })
	require.Equal(t, http.StatusOK, f.get(path, "").StatusCode, "made before")
	require.Equal(t, http.StatusSeeOther, f.sent(path, oneMugBack()...).StatusCode)
	recent := strings.TrimPrefix(pageLinks(t, "the key that comes next").For(mugs, time.Now()), pageHost)
	require.Equal(t, http.StatusSeeOther, f.sent(recent, oneMugBack()...).StatusCode, "the same form under the newer link is the same form")
	require.Equal(t, 1, f.count(`SELECT count(*) FROM returns`))
	later, _ := customers(t, func(c *gateway.Config) { c.Links = pageLinks(t, "the key that comes next") })
	require.Equal(t, http.StatusNotFound, later.get(path, "").StatusCode)
}

// another places order 1002, which has nothing to do with 1001, and gives the path of its page.
func (f *fixture) another() string {
	f.t.Helper()
	require.Equal(f.t, http.StatusCreated, f.post("/v1/orders", f.shop, strings.Replace(orderBody, `"1001"`, `"1002"`, 1)).StatusCode)
	return strings.TrimPrefix(pageLinks(f.t, pageKey).For(order.Key{Storefront: "shop", Order: "1002"}, time.Now()), pageHost)
}

func TestAnOrdersPageReachesNothingOfAnotherOrder(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	require.Equal(t, http.StatusSeeOther, f.sent(path, oneMugBack()...).StatusCode)
	other := f.another()
	rma := mugs.PurchaseOrderNumber(1) + "-R1"
	isPage(t, http.StatusNotFound, f.sent(other+"/returns/"+rma+"/cancel"))
	isPage(t, http.StatusNotFound, f.get(other+"/asked/"+firstMark, ""))
	require.NotContains(t, f.get(other, "").body, rma)
	require.Zero(t, f.count(`SELECT count(*) FROM return_facts`))
	require.Empty(t, f.orders.asked)
	got := f.sent(path, field{name: "request", value: firstMark}, field{name: "quantity-7", value: "1"}, field{name: "reason-7", value: "damaged"})
	isPage(t, http.StatusUnprocessableEntity, got)
	require.Contains(t, got.body, "The form was for another order")
}

func TestFormsThatBreakRulesAskForNothingAndSayWhatToCorrect(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	with := func(name, value string) []field {
		form := oneMugBack()
		for i := range form {
			if form[i].name == name {
				form[i].value = value
			}
		}
		return form
	}
	for name, test := range map[string]struct {
		form   []field
		status int
		says   string
	}{
		"nothing chosen":      {with("quantity-1", "0"), 422, "at least one article"},
		"no number":           {with("quantity-1", "1e3"), 422, "Choose a number"},
		"less than none":      {with("quantity-1", "-1"), 422, "Choose a number"},
		"more than bought":    {with("quantity-1", "3"), 422, "Choose a number"},
		"beyond all numbers":  {with("quantity-1", "99999999999999999999"), 422, "Choose a number"},
		"no reason":           {with("reason-1", ""), 422, "Say why"},
		"reason of ones own":  {with("reason-1", "<b>"), 422, "Say why"},
		"not offered":         {with("resolution", "store_credit"), 422, "Choose one of these"},
		"no such wish":        {with("resolution", "gold"), 422, "Choose one of these"},
		"name of one's own":   {with("request", "r-1"), 422, "look at the form once more"},
		"line twice":          {oneMugBack(field{name: "quantity-1", value: "2"}), 400, "could not read"},
		"line that is none":   {oneMugBack(field{name: "quantity-x", value: "2"}), 400, "could not read"},
		"long note":           {oneMugBack(field{name: "note", value: strings.Repeat("é", 1001)}), 422, "at most 1000"},
		"longer note":         {oneMugBack(field{name: "note", value: strings.Repeat("é", 8000)}), 400, "could not read"},
		"not UTF-8":           {oneMugBack(field{name: "note", value: "\xff"}), 400, "could not read"},
		"many fields":         {append(oneMugBack(), make([]field, 1200)...), 400, "could not read"},
		"no picture":          {oneMugBack(field{name: "photos", value: "<html>", file: "a.jpg"}), 422, "no picture that we can read"},
		"another kind":        {oneMugBack(field{name: "photos", value: drawn(t, "gif", 2), file: "a.png"}), 422, "no picture that we can read"},
		"only its beginning":  {oneMugBack(field{name: "photos", value: "\xff\xd8\xff\xe0", file: "a.jpg"}), 422, "no picture that we can read"},
		"monstrous picture":   {oneMugBack(field{name: "photos", value: drawn(t, "png", 20_001), file: "a.png"}), 422, "no picture that we can read"},
		"large picture":       {oneMugBack(field{name: "photos", value: drawn(t, "png", 2) + strings.Repeat("x", 6<<20), file: "a.png"}), 422, "larger than 6 MB"},
		"too many pictures":   {append(oneMugBack(), slicesOf(5, field{name: "photos", value: drawn(t, "png", 2), file: "a.png"})...), 422, "at most 4"},
		"more than it may be": {append(oneMugBack(), slicesOf(6, field{name: "photos", value: strings.Repeat("x", 4<<20), file: "a"})...), 413, "too much at once"},
	} {
		got := f.sent(path, test.form...)
		require.Equal(t, test.status, got.StatusCode, "%s: %s", name, f.log.String())
		isPage(t, test.status, got)
		require.Contains(t, got.body, test.says, name)
	}
	for contentType, body := range map[string]string{
		"application/json": oneMug, "application/x-www-form-urlencoded": "quantity-1=1", "": "x", "multipart/form-data": "x",
		"multipart/form-data; boundary=b": "--b\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\nx",
	} {
		isPage(t, http.StatusBadRequest, f.do(http.MethodPost, path, "", body, "Content-Type", contentType))
	}
	body, contentType := multipartForm(t, oneMugBack())
	isPage(t, http.StatusBadRequest, f.do(http.MethodPost, path, "", body, "Content-Type", contentType, "Content-Encoding", "gzip"))
	require.Zero(t, f.count(`SELECT count(*) FROM return_requests`))
}

func slicesOf(n int, one field) (list []field) {
	for range n {
		list = append(list, one)
	}
	return list
}

func TestWhatStandsInAnOrderIsTextOnThePage(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	evil := `</style><script>alert(1)</script>"'` + "`" + `{{.}}`
	f.exec(`UPDATE orders SET document = jsonb_set(jsonb_set(document, '{lines,0,title}', to_jsonb($1::text)), '{number}', to_jsonb($1::text))`, evil)
	f.exec(`UPDATE storefronts SET document = jsonb_set(document, '{name}', to_jsonb($1::text))`, evil)
	require.Equal(t, http.StatusSeeOther, f.sent(path, oneMugBack()...).StatusCode)
	f.exec(`INSERT INTO return_parcels (carrier, tracking, rma, label_url) SELECT 'ups', $1, rma, 'javascript:alert(1)' FROM returns`, evil)
	var s returns.State
	require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT state FROM returns`).Scan(&s))
	s.Label, s.Authorised = &returns.Label{Carrier: evil, Tracking: evil}, true
	f.exec(`UPDATE returns SET state = $1`, s)
	for _, at := range []string{path, path + "/asked/" + firstMark, path + "?said=%3Cscript%3E"} {
		got := f.get(at, "")
		isPage(t, http.StatusOK, got)
		require.Contains(t, got.body, "alert(1)")
		require.NotContains(t, got.body, "javascript:")
	}
	f.exec(`UPDATE return_parcels SET label_url = 'https://labels.example/1?a=b'`)
	require.Contains(t, f.get(path, "").body, `href="https://labels.example/1?a=b"`)
}

func TestARefusedCustomerReadsWhyAndUntilWhen(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	f.exec(`UPDATE parcels SET milestone_at = now() - interval '40 days'`)
	until := time.Now().UTC().AddDate(0, 0, -10).Format("2 January 2006")
	page := f.get(path, "")
	isPage(t, http.StatusOK, page)
	require.Contains(t, page.body, "It could be returned until "+until)
	require.NotContains(t, page.body, "<form")
	got := f.sent(path, oneMugBack()...)
	require.Equal(t, http.StatusSeeOther, got.StatusCode, "the form was open before")
	refused := f.get(got.Header.Get("Location"), "")
	isPage(t, http.StatusOK, refused)
	for _, text := range []string{"We cannot take this back", "Blue mug", "It could be returned until " + until} {
		require.Contains(t, refused.body, text)
	}
	require.Zero(t, f.count(`SELECT count(*) FROM returns`)+f.count(`SELECT count(*) FROM return_pictures`))

	f.exec(`UPDATE storefronts SET document = jsonb_set(jsonb_set(document, '{policy,returns,fault_days}', '60'), '{policy,returns,photos_for_fault}', 'true')`)
	page = f.get(path, "")
	require.Contains(t, page.body, "If something is wrong with it, it can come back until ")
	require.NotContains(t, page.body, "I changed my mind", "only what is wrong counts by now")
	form := oneMugBack()
	form[0].value = "page-BBBBBBBBBBBBBBBBBBBBBBBBBB"
	got = f.sent(path, form...)
	require.Contains(t, f.get(got.Header.Get("Location"), "").body, "Add a picture that shows what is wrong")
}

func TestThePageOffersWhatThePolicyDoes(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	require.NotContains(t, f.get(path, "").body, "Credit at the shop")
	f.exec(`UPDATE storefronts SET document = jsonb_set(document, '{policy,returns}', document #> '{policy,returns}' ||
		'{"outcomes": ["store_credit", "exchange"], "credit_bonus_bp": 1050, "restocking_bp": 1500, "opened_bp": 2000, "pays_shipping": "customer",
		  "return_shipping": [{"amount": "4.90", "currency": "USD"}]}') WHERE id = 'shop'`)
	page := f.get(path, "")
	for _, text := range []string{
		"Credit at the shop, and 10.5% on top", "as a replacement", "only if something is wrong with it", "15% of its price, or 20% if it was opened.",
		"4.90 USD of a refund for the label. A replacement costs no fees.",
	} {
		require.Contains(t, page.body, text, text)
	}
	f.exec(`INSERT INTO offers (supplier, sku, document, on_hand) SELECT id, 'MUG', '{}', 9 FROM suppliers LIMIT 1`)
	form := oneMugBack()
	form[3].value = "exchange"
	got := f.sent(path, form...)
	require.Equal(t, http.StatusSeeOther, got.StatusCode, got.body)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM returns WHERE state ->> 'resolution' = 'exchange'`))
}

func TestACustomerTakesAReturnBackOnThePage(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	require.Equal(t, http.StatusSeeOther, f.sent(path, oneMugBack()...).StatusCode)
	cancel := path + "/returns/" + mugs.PurchaseOrderNumber(1) + "-R1/cancel"
	require.Contains(t, f.get(path, "").body, `action="`+cancel+`"`)
	for range 2 {
		got := f.do(http.MethodPost, cancel, "", "", "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusSeeOther, got.StatusCode)
		require.Equal(t, path+"?said=stored", got.Header.Get("Location"), "its workflow does not exist yet")
	}
	require.Equal(t, 1, f.count(`SELECT count(*) FROM return_facts WHERE kind = 'cancel_request'`))
	page := f.get(path+"?said=stored", "")
	require.Contains(t, page.body, "Cancelled")
	require.NotContains(t, page.body, cancel)

	f.exec(`DELETE FROM return_facts`)
	f.exec(`UPDATE returns SET started_at = now(), fact_seq = 0`)
	require.Equal(t, path+"?said=cancelled", f.sent(cancel).Header.Get("Location"))
	require.Equal(t, returns.CancelRequest{ID: "page/cancel", By: "customer"}, f.orders.asked[0])
	f.orders.err = &order.Refusal{Reason: "the parcel is on its way"}
	late := f.sent(cancel)
	isPage(t, http.StatusConflict, late)
	require.Contains(t, late.body, "It is too late")
	isPage(t, http.StatusNotFound, f.sent(path+"/returns/RMA-9/cancel"))
}

func TestAPageSaysWhenItCannotBeShownNow(t *testing.T) {
	t.Parallel()
	down, err := postgres.Open(t.Context(), "postgres://dropline@127.0.0.1:1/dropline", 1)
	require.NoError(t, err)
	t.Cleanup(down.Close)
	f, path := customers(t, func(c *gateway.Config) { c.Database = down })
	for _, got := range []answer{
		f.get(path, ""), f.sent(path, oneMugBack()...), f.get(path+"/asked/"+firstMark, ""), f.sent(path + "/returns/" + mugs.PurchaseOrderNumber(1) + "-R1/cancel"),
	} {
		isPage(t, http.StatusServiceUnavailable, got)
		require.Contains(t, got.body, "nothing is lost")
		require.NotEmpty(t, got.Header.Get("Retry-After"))
	}
}

func TestAnOrdersPageIsNotAskedForWithoutEnd(t *testing.T) {
	t.Parallel()
	f, path := customers(t, func(c *gateway.Config) { c.PageRate = gateway.Rate{PerSecond: 1, Burst: 3} })
	other := f.another()
	statuses := map[int]int{}
	for range 20 {
		got := f.get(path, "")
		isPage(t, got.StatusCode, got)
		statuses[got.StatusCode]++
	}
	require.GreaterOrEqual(t, statuses[http.StatusTooManyRequests], 10, statuses)
	require.GreaterOrEqual(t, statuses[http.StatusOK], 3)
	require.Equal(t, http.StatusOK, f.get(other, "").StatusCode, "others pass")
}

func TestWithoutLinksThereAreNoPages(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.delivered(3)
	path := strings.TrimPrefix(pageLinks(t, pageKey).For(mugs, time.Now()), pageHost)
	require.Equal(t, http.StatusNotFound, f.get(path, "").StatusCode)
	require.NotContains(t, f.get("/v1/orders/shop/1001", f.shop).body, "return_page")

	with, path := customers(t)
	var shown struct{ Links map[string]string }
	require.NoError(t, json.Unmarshal([]byte(with.get("/v1/orders/shop/1001", with.shop).body), &shown))
	require.Equal(t, pageHost+path, shown.Links["return_page"])
	require.Equal(t, http.StatusMethodNotAllowed, with.do(http.MethodDelete, path, "", "").StatusCode)
}

func TestALongLineIsCountedInAField(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	f.exec(`UPDATE orders SET document = jsonb_set(document, '{lines,0,quantity}', '500'),
		state = jsonb_set(state, '{purchaseOrders,0,lines,0,units,delivered}', '500') WHERE key = 'shop/1001'`)
	page := f.get(path, "")
	require.Contains(t, page.body, `max="`+strconv.Itoa(500)+`"`)
}
