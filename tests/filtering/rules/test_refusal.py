"""The model speaks of itself, of its answer or to the user."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations
from tests.support.other_languages import GOOD_CAPTIONS


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that request.",
        "I cannot see any image.",
        "As an AI language model, no picture is visible to me.",
        "Sure! Here is a description of the scene.",
        "Unfortunately, no image was provided.",
        "Please provide the image.",
        "Feel free to ask for more.",
        "Would you like to know more?",
        "The provided image is bright.",
        "This description is based only on the picture.",
        "Note: the text avoids guesses.",
        "For more information visit https://example.org.",
    ],
)
def test_english_talk_is_counted(text: str) -> None:
    """Refusals, apologies, offers, remarks on the answer."""
    assert 1.0 <= violations(GOOD_EN + " " + text)["refusal"]


@pytest.mark.parametrize(
    "text",
    [
        "很抱歉，我无法查看图片。",
        "作为一个人工智能助手，这里没有图。",
        "好的，以下是对图片的描述。",
        "请您上传图片。",
        "如果需要更多帮助，请告诉我。",
        "注：以上描述仅基于图片。",
    ],
)
def test_chinese_talk_is_counted(text: str) -> None:
    """The same in Chinese."""
    assert 1.0 <= violations(GOOD_ZH + text, "zh")["refusal"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "申し訳ありませんが、画像を表示できません。"),
        ("ko", "죄송합니다, 이미지를 볼 수 없습니다."),
        ("fr", "Je suis désolé, mais je ne peux pas voir l'image."),
        ("de", "Es tut mir leid, ich kann das Bild nicht sehen."),
        ("es", "Lo siento, no puedo ver la imagen."),
        ("pt", "Desculpe, não consigo ver a imagem."),
        ("ru", "Извините, я не могу увидеть изображение."),
        ("ar", "عذرًا، لا أستطيع رؤية الصورة."),
        ("hi", "क्षमा करें, मैं नहीं देख सकता।"),
        ("vi", "Xin lỗi, tôi không thể xem hình ảnh."),
        ("th", "ขออภัย ฉันไม่สามารถดูภาพได้"),
        ("pl", "Przepraszam, nie mogę zobaczyć obrazu."),
        ("ja", "I'm sorry, but I can't assist with that request."),
    ],
)
def test_the_commonest_refusals_of_other_languages_are_counted(language: str, text: str) -> None:
    """And English ones, in languages that aren't written in Latin letters."""
    assert 1.0 <= violations(GOOD_CAPTIONS[language][0] + " " + text, language)["refusal"]


@pytest.mark.parametrize(
    "text",
    [
        'A board reads "I am sorry, please provide your ticket".',
        "A sign on the door says please let me in.",
        "A portrait of Elizabeth I hangs above a taxi in Hawaii.",
        "A model train runs in a circle, and a text on the wall is not visible.",
        "A teacher hands out the answer sheets.",
    ],
)
def test_what_the_picture_says_is_no_talk(text: str) -> None:
    """Quotations, signs, numerals, words with another sense."""
    assert {} == violations(GOOD_EN + " " + text)


@pytest.mark.parametrize(
    "text", ["牌子上写着“请您止步”。", "您好两个字用霓虹灯拼成。", "申请表放在自我介绍旁边。"]
)
def test_what_a_chinese_picture_says_is_no_talk(text: str) -> None:
    """The same in Chinese."""
    assert {} == violations(GOOD_ZH + text, "zh")
