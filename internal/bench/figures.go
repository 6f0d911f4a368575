package bench

import (
	"math"
	"slices"
)

// Medians are the medians of each figure over several measurements.
func Medians(of []Figures) Figures {
	return each(of, func(sorted []float64) float64 { return quantile(sorted, 0.5) })
}

// Most are the greatest values.
func Most(of []Figures) Figures {
	return each(of, func(sorted []float64) float64 { return sorted[len(sorted)-1] })
}

// Least are the smallest values.
func Least(of []Figures) Figures {
	return each(of, func(sorted []float64) float64 { return sorted[0] })
}

func each(of []Figures, choose func(sorted []float64) float64) Figures {
	values := map[string][]float64{}
	for _, figures := range of {
		for name, value := range figures {
			values[name] = append(values[name], value)
		}
	}
	chosen := Figures{}
	for name, list := range values {
		slices.Sort(list)
		chosen[name] = choose(list)
	}
	return chosen
}

// quantile of sorted values; of an even number the median is the lower one, so that it was measured.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(math.Ceil(q*float64(len(sorted))))-min(1, int(math.Ceil(q*float64(len(sorted)))))]
}

// take adds other figures, each under a name that begins with prefix.
func (f Figures) take(prefix string, other Figures) {
	for name, value := range other {
		f[prefix+name] = value
	}
}

// rounded keeps four significant digits: more would be noise.
func (f Figures) rounded() Figures {
	short := Figures{}
	for name, value := range f {
		short[name] = value
		if value != math.Trunc(value) && value != 0 {
			scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(value))))
			short[name] = math.Round(value*scale) / scale
		}
	}
	return short
}

// exponent of the growth between two sizes: 1 is linear.
func exponent(small, large, costSmall, costLarge float64) float64 {
	return math.Log(costLarge/costSmall) / math.Log(large/small)
}
