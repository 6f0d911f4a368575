package gateway

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// formBoundary is what separates the parts of every form that is tried.
const formBoundary = "fuzz"

// FuzzReturnForm reads what a browser, or somebody who is none, sends as a customer's form. Whatever comes,
// what is kept is within the limits, and only pictures are pictures.
func FuzzReturnForm(f *testing.F) {
	f.Add(formOf(f, "quantity-1", "1", "reason-1", "damaged", "resolution", "refund", "note", "It is broken.\r\nSorry."))
	whole := formOf(f, "request", newRequestMark(), "quantity-2", "3")
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(formOf(f, "quantity-1", "1", "quantity-1", "2"))
	f.Add(formOf(f, "quantity--1", "1"))
	f.Add(formOf(f, "note", "a\x00b\x1b[31m\u202e"+strings.Repeat("x", maxNote+1)))
	f.Add([]byte("--fuzz\r\nContent-Disposition: form-data; name=\"photos\"; filename=\"../../x.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\r\n--fuzz--\r\n"))
	f.Add([]byte("--fuzz\r\nContent-Disposition: form-data; name=\"photos\"\r\n\r\nGIF89a\r\n--fuzz--\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		form := &pageForm{quantities: map[int]string{}, reasons: map[int]string{}}
		if form.read(multipart.NewReader(bytes.NewReader(body), formBoundary)) != nil {
			return // nothing of it is used
		}
		require.LessOrEqual(t, len(form.enclosed.Pictures), maxPictures)
		for _, picture := range form.enclosed.Pictures {
			require.LessOrEqual(t, len(picture.Body), maxPicture)
			_, format, err := image.DecodeConfig(bytes.NewReader(picture.Body))
			require.NoError(t, err)
			require.Equal(t, "image/"+format, picture.MediaType)
		}
		for _, lines := range []map[int]string{form.quantities, form.reasons} {
			for line, value := range lines {
				require.Positive(t, line)
				require.LessOrEqual(t, len(value), maxField)
				require.True(t, utf8.ValidString(value))
			}
		}
		for _, r := range form.enclosed.Note {
			require.True(t, r == '\n' || !unicode.IsControl(r), "%q is no text", r)
		}
	})
}

// formOf is a form of these fields and one small picture.
func formOf(f *testing.F, fields ...string) []byte {
	f.Helper()
	var body, picture bytes.Buffer
	w := multipart.NewWriter(&body)
	require.NoError(f, w.SetBoundary(formBoundary))
	for i := 0; i < len(fields); i += 2 {
		require.NoError(f, w.WriteField(fields[i], fields[i+1]))
	}
	require.NoError(f, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))))
	part, err := w.CreateFormFile("photos", "cup.png")
	require.NoError(f, err)
	_, err = part.Write(picture.Bytes())
	require.NoError(f, err)
	require.NoError(f, w.Close())
	return body.Bytes()
}
