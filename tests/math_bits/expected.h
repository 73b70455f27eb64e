// The recorded hashes of math_bits_test: the bits that every compiler, machine and device must give.
#pragma once

#include "tests/math_bits/variant.h"

namespace fuselage::math_bits {

inline constexpr Hash kExpected[] = {
    {"exp", 0xcd0dd152379bc9c1u},
    {"exp2", 0x0c95eb6ffcecb8a3u},
    {"expm1", 0x1a90fbc2d78a2cbau},
    {"exp_scaled", 0x5d6a6f32ae6cd3c5u},
    {"log", 0x6eee243f0776fc68u},
    {"log2", 0x7efa392da7522042u},
    {"log1p", 0xa1a9dcaa28735ba0u},
    {"sigmoid", 0x4cedb5799e7557b2u},
    {"softplus", 0x2a89669fecc06d77u},
    {"logistic_tail.exp", 0xf079f392e13117f6u},
    {"logistic_tail.log1p_exp", 0xa3589810d3816f60u},
    {"logistic_tail.sigmoid", 0xe2f7bb16857c8805u},
    {"tanh", 0x35523387698bf337u},
    {"erf", 0x45e0f8b632cb9f2au},
    {"sign", 0x1ddc6e9e40b4ed37u},
    {"relu", 0xebfdd570be9b1bc2u},
    {"sqrt", 0x5ce27dc86903d1a2u},
    {"pow", 0x1f2c4d184f7fcce0u},
    {"minimum", 0x6e11518ac8cc7c2eu},
    {"maximum", 0x1302c8e47a376bd6u},
    {"divide", 0x33299e37a6852affu},
    {"compare", 0x0688c4bf0660ddc7u},
    {"double exp", 0x2858fa5285e751dbu},
    {"double exp2", 0xb879a2ea21ed5e6au},
    {"double expm1", 0x4a562a2e22191ec3u},
    {"double exp_scaled", 0x66eac717bc7b16c6u},
    {"double log", 0x5805c32b8b2ff7fau},
    {"double log2", 0x1df1f93cc0d74ab4u},
    {"double log1p", 0x1fbf37eb8665a23cu},
    {"double sigmoid", 0xbafe59c2d1f1483bu},
    {"double softplus", 0x08f1d3f6e978a73fu},
    {"double tanh", 0x4c94121181d981c4u},
    {"double erf", 0x7a28b8cc3844f3e9u},
    {"double cospi", 0xb6911c6f3fa6e669u},
    {"double powi", 0xcbcfef32d65fce86u},
    {"double sign", 0x3113913d8e61c567u},
    {"double relu", 0x0071b7829a19d41bu},
    {"double pow", 0xe53f105cae2efb1fu},
    {"double minimum", 0x7e69cfccf7a6460au},
    {"double maximum", 0x52bcb07abe2fd9bbu},
};

}  // namespace fuselage::math_bits
