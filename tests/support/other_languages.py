"""Good captions in a dozen languages, of typical length."""

GOOD_CAPTIONS = {
    "ja": [
        (
            "夕暮れの港に、赤い漁船が一隻、木製の桟橋につながれている。船の甲板には青い網が積まれ、その横"
            "に黄色い浮きが三つ置かれている。桟橋の先端では、帽子をかぶった男性が釣り糸を垂らし、足元のバ"
            "ケツには魚が二匹入っている。奥には白い灯台が岩の上に立ち、空は薄い橙色から紫色へと変わってい"
            "る。"
        ),
        (
            "明るい台所で、エプロンを着けた女性が木のまな板の上で人参を切っている。隣のコンロには銀色の鍋"
            "が置かれ、ふたの隙間から湯気が上がっている。窓辺には小さな鉢植えが三つ並び、外には緑の庭が見"
            "える。壁の棚には白い皿と青い茶碗がきちんと重ねられている。"
        ),
        (
            "石畳の広場に市場の屋台が並び、赤と白の縞模様の日よけが日差しを遮っている。手前の台にはトマト"
            "、なす、レモンが籠に盛られ、値札が立てられている。買い物袋を持った人々が通路を歩き、奥には時"
            "計塔のある古い建物がそびえている。"
        ),
    ],
    "ko": [
        (
            "이른 아침의 조용한 항구에 빨간 배 한 척이 나무 부두 옆에 묶여 있다. 배 위에는 파란 그물이 쌓"
            "여 있고, 그 옆에는 노란 부표 세 개가 놓여 있다. 부두 끝에는 모자를 쓴 남자가 낚싯대를 드리우"
            "고 있으며, 뒤쪽 바위 위에는 하얀 등대가 서 있다. 하늘은 옅은 주황색에서 보라색으로 변하고 있"
            "다."
        ),
        (
            "밝은 부엌에서 앞치마를 두른 여자가 나무 도마 위에서 당근을 썰고 있다. 옆의 가스레인지에는 은"
            "색 냄비가 올려져 있고 뚜껑 사이로 김이 올라온다. 창가에는 작은 화분 세 개가 나란히 놓여 있으"
            "며 창밖으로 푸른 정원이 보인다."
        ),
        (
            "돌로 포장된 광장에 시장 노점들이 늘어서 있고, 빨간색과 흰색 줄무늬 차양이 햇빛을 가리고 있다"
            ". 앞쪽 진열대에는 토마토와 가지, 레몬이 바구니에 담겨 있다. 장바구니를 든 사람들이 통로를 걸"
            "어가고, 뒤로는 시계탑이 있는 오래된 건물이 보인다."
        ),
    ],
    "fr": [
        (
            "Un bateau rouge est amarré à un ponton en bois dans un port tranquille, tôt le matin. Des "
            "filets bleus sont empilés sur le pont, à côté de trois bouées jaunes. Au bout du ponton, un "
            "homme coiffé d'un chapeau tient une canne à pêche, et un seau contenant deux poissons est "
            "posé à ses pieds. À l'arrière-plan, un phare blanc se dresse sur les rochers sous un ciel "
            "orange pâle."
        ),
        (
            "Dans une cuisine lumineuse, une femme portant un tablier gris coupe des carottes sur une "
            "planche en bois. Une casserole argentée chauffe sur la cuisinière et de la vapeur s'échappe "
            "du couvercle. Trois petits pots de fleurs sont alignés sur le rebord de la fenêtre, "
            "derrière laquelle s'étend un jardin verdoyant."
        ),
        (
            "Des étals de marché bordent une place pavée, abrités par des auvents à rayures rouges et "
            "blanches. Au premier plan, des tomates, des aubergines et des citrons remplissent de grands "
            "paniers d'osier. Des passants chargés de sacs marchent dans l'allée, et une tour d'horloge "
            "domine les vieux bâtiments du fond."
        ),
    ],
    "de": [
        (
            "Ein rotes Boot liegt am frühen Morgen an einem hölzernen Steg in einem ruhigen Hafen. Auf "
            "dem Deck stapeln sich blaue Netze, daneben liegen drei gelbe Bojen. Am Ende des Stegs hält "
            "ein Mann mit Hut eine Angel ins Wasser, zu seinen Füßen steht ein Eimer mit zwei Fischen. "
            "Im Hintergrund erhebt sich ein weißer Leuchtturm auf den Felsen unter einem blassorangen "
            "Himmel."
        ),
        (
            "In einer hellen Küche schneidet eine Frau mit grauer Schürze Karotten auf einem Holzbrett. "
            "Auf dem Herd steht ein silberner Topf, aus dessen Deckel Dampf aufsteigt. Drei kleine "
            "Blumentöpfe stehen nebeneinander auf der Fensterbank, hinter der ein grüner Garten zu sehen "
            "ist. An der Wand hängen Teller und Tassen, und ein Kind schaut sie neugierig an."
        ),
        (
            "Auf einem gepflasterten Platz reihen sich Marktstände unter rot-weiß gestreiften Markisen "
            "aneinander. Im Vordergrund liegen Tomaten, Auberginen und Zitronen in geflochtenen Körben. "
            "Passanten mit Einkaufstaschen gehen durch die Gasse, und ein Uhrturm überragt die alten "
            "Gebäude im Hintergrund."
        ),
    ],
    "es": [
        (
            "Un barco rojo está amarrado a un muelle de madera en un puerto tranquilo a primera hora de "
            "la mañana. Sobre la cubierta hay redes azules apiladas junto a tres boyas amarillas. Al "
            "final del muelle, un hombre con sombrero sostiene una caña de pescar, y a sus pies hay un "
            "cubo con dos peces. Al fondo, un faro blanco se alza sobre las rocas bajo un cielo "
            "anaranjado."
        ),
        (
            "En una cocina luminosa, una mujer con delantal gris corta zanahorias sobre una tabla de "
            "madera. Una olla plateada se calienta en la estufa y el vapor sale por la tapa. Tres "
            "macetas pequeñas están alineadas en el alféizar de la ventana, detrás de la cual se ve un "
            "jardín verde."
        ),
        (
            "Los puestos del mercado bordean una plaza empedrada, protegidos por toldos de rayas rojas y "
            "blancas. En primer plano, tomates, berenjenas y limones llenan grandes cestas de mimbre. "
            "Varias personas con bolsas caminan por el pasillo, y una torre con reloj domina los "
            "edificios antiguos del fondo."
        ),
    ],
    "pt": [
        (
            "Um barco vermelho está atracado a um cais de madeira num porto tranquilo ao amanhecer. No "
            "convés há redes azuis empilhadas ao lado de três boias amarelas. Na ponta do cais, um homem "
            "de chapéu segura uma vara de pesca, e aos seus pés há um balde com dois peixes. Ao fundo, "
            "um farol branco ergue-se sobre as rochas sob um céu alaranjado."
        ),
        (
            "Em uma cozinha iluminada, uma mulher de avental cinza corta cenouras sobre uma tábua de "
            "madeira. Uma panela prateada está no fogão e o vapor escapa pela tampa. Três vasinhos de "
            "flores estão alinhados no parapeito da janela, atrás da qual se vê um jardim verde."
        ),
        (
            "As barracas da feira ocupam uma praça de pedra, protegidas por toldos listrados de vermelho "
            "e branco. Em primeiro plano, tomates, berinjelas e limões enchem grandes cestos de vime. "
            "Pessoas com sacolas caminham pelo corredor, e uma torre com relógio se destaca entre os "
            "prédios antigos ao fundo."
        ),
    ],
    "ru": [
        (
            "Красная лодка стоит у деревянного причала в тихой гавани ранним утром. На палубе сложены "
            "синие сети, рядом лежат три жёлтых буя. На краю причала мужчина в шляпе держит удочку, а у "
            "его ног стоит ведро с двумя рыбами. На заднем плане на скалах возвышается белый маяк, и "
            "небо над ним окрашено в бледно-оранжевый цвет."
        ),
        (
            "В светлой кухне женщина в сером фартуке режет морковь на деревянной доске. На плите стоит "
            "серебристая кастрюля, и из-под крышки поднимается пар. На подоконнике выстроились в ряд три "
            "маленьких цветочных горшка, а за окном виден зелёный сад."
        ),
        (
            "На мощёной площади стоят рыночные прилавки под навесами в красно-белую полоску. На переднем "
            "плане в плетёных корзинах лежат помидоры, баклажаны и лимоны. Люди с сумками идут по "
            "проходу, а вдалеке над старыми зданиями возвышается часовая башня."
        ),
    ],
    "ar": [
        (
            "يرسو قارب أحمر بجانب رصيف خشبي في ميناء هادئ في الصباح الباكر. تتكدس شباك زرقاء على سطح "
            "القارب، وإلى جانبها ثلاث عوامات صفراء. عند نهاية الرصيف يقف رجل يرتدي قبعة ويمسك صنارة صيد، "
            "وعند قدميه دلو فيه سمكتان. في الخلفية ترتفع منارة بيضاء فوق الصخور تحت سماء برتقالية شاحبة."
        ),
        (
            "في مطبخ مضيء تقطع امرأة ترتدي مئزرًا رماديًا الجزر على لوح خشبي. على الموقد قدر فضي يتصاعد "
            "البخار من تحت غطائه. تصطف ثلاث أصص صغيرة على حافة النافذة، ومن خلفها تظهر حديقة خضراء واسعة."
        ),
        (
            "تصطف أكشاك السوق في ساحة مرصوفة بالحجارة تحت مظلات مخططة بالأحمر والأبيض. في المقدمة تملأ "
            "الطماطم والباذنجان والليمون سلالًا كبيرة من القش. يمشي الناس في الممر وهم يحملون الأكياس، "
            "ويظهر برج ساعة فوق المباني القديمة في الخلف."
        ),
    ],
    "hi": [
        (
            "सुबह के समय एक शांत बंदरगाह में लकड़ी के घाट के पास एक लाल नाव बंधी हुई है। नाव के ऊपर नीले "
            "जाल रखे हैं और उनके पास तीन पीले बोया पड़े हैं। घाट के किनारे टोपी पहने एक आदमी मछली पकड़ने "
            "की छड़ी लिए बैठा है, और उसके पैरों के पास एक बाल्टी में दो मछलियाँ हैं। पीछे चट्टानों पर एक "
            "सफ़ेद प्रकाशस्तंभ खड़ा है।"
        ),
        (
            "एक रोशन रसोई में भूरे रंग का एप्रन पहने एक महिला लकड़ी के तख्ते पर गाजर काट रही है। चूल्हे "
            "पर चाँदी के रंग का एक बर्तन रखा है और ढक्कन से भाप निकल रही है। खिड़की पर तीन छोटे गमले "
            "कतार में रखे हैं और बाहर हरा बगीचा दिखाई देता है।"
        ),
        (
            "पत्थर से बने चौक में बाज़ार की दुकानें लाल और सफ़ेद धारीदार छज्जों के नीचे लगी हैं। सामने "
            "टोकरियों में टमाटर, बैंगन और नींबू भरे हुए हैं। थैले लिए हुए लोग रास्ते पर चल रहे हैं और "
            "पीछे पुरानी इमारतों के ऊपर एक घंटाघर दिखाई देता है।"
        ),
    ],
    "vi": [
        (
            "Một chiếc thuyền màu đỏ được buộc bên cạnh cầu tàu bằng gỗ trong bến cảng yên tĩnh vào sáng "
            "sớm. Trên boong thuyền có những tấm lưới màu xanh xếp chồng lên nhau, bên cạnh là ba chiếc "
            "phao màu vàng. Ở cuối cầu tàu, một người đàn ông đội mũ đang cầm cần câu, dưới chân ông có "
            "một cái xô đựng hai con cá. Phía sau, một ngọn hải đăng màu trắng đứng trên những tảng đá."
        ),
        (
            "Trong căn bếp sáng sủa, một người phụ nữ đeo tạp dề màu xám đang thái cà rốt trên thớt gỗ. "
            "Trên bếp có một chiếc nồi màu bạc, hơi nước bốc lên từ nắp nồi. Ba chậu cây nhỏ được xếp "
            "thành hàng trên bậu cửa sổ, phía sau là khu vườn xanh mát."
        ),
        (
            "Các gian hàng chợ nằm dọc theo quảng trường lát đá, dưới những mái che sọc đỏ trắng. Ở phía "
            "trước, cà chua, cà tím và chanh được bày đầy trong những chiếc giỏ mây lớn. Người đi chợ "
            "xách túi bước dọc lối đi, và một tháp đồng hồ vươn cao phía trên những tòa nhà cổ."
        ),
    ],
    "th": [
        (
            "เรือสีแดงลำหนึ่งผูกอยู่ข้างท่าเรือไม้ในอ่าวที่เงียบสงบยามเช้าตรู่ "
            "บนดาดฟ้าเรือมีอวนสีน้ำเงินกองอยู่ ข้างกันมีทุ่นสีเหลืองสามลูก "
            "ที่ปลายท่าเรือมีชายสวมหมวกถือคันเบ็ด และที่เท้าของเขามีถังใส่ปลาสองตัว "
            "ด้านหลังมีประภาคารสีขาวตั้งอยู่บนโขดหินใต้ท้องฟ้าสีส้มอ่อน"
        ),
        (
            "ในห้องครัวที่สว่างไสว ผู้หญิงสวมผ้ากันเปื้อนสีเทากำลังหั่นแครอทบนเขียงไม้ "
            "บนเตามีหม้อสีเงินวางอยู่และมีไอน้ำลอยขึ้นจากฝาหม้อ ริมหน้าต่างมีกระถางต้นไม้เล็ก ๆ "
            "สามใบวางเรียงกัน ด้านนอกมองเห็นสวนสีเขียว"
        ),
        (
            "แผงขายของในตลาดเรียงรายอยู่รอบลานหิน ใต้ผ้าใบกันแดดลายทางสีแดงสลับขาว ด้านหน้ามีมะเขือเทศ "
            "มะเขือม่วง และมะนาววางเต็มตะกร้าหวายใบใหญ่ ผู้คนถือถุงเดินไปตามทางเดิน "
            "และมีหอนาฬิกาสูงเหนืออาคารเก่าด้านหลัง"
        ),
    ],
    "pl": [
        (
            "Czerwona łódź cumuje przy drewnianym pomoście w spokojnym porcie wczesnym rankiem. Na "
            "pokładzie leżą niebieskie sieci, a obok nich trzy żółte boje. Na końcu pomostu mężczyzna w "
            "kapeluszu trzyma wędkę, a u jego stóp stoi wiadro z dwiema rybami. W tle na skałach wznosi "
            "się biała latarnia morska pod bladopomarańczowym niebem."
        ),
        (
            "W jasnej kuchni kobieta w szarym fartuchu kroi marchewki na drewnianej desce. Na kuchence "
            "stoi srebrny garnek, a spod pokrywki unosi się para. Trzy małe doniczki stoją w rzędzie na "
            "parapecie, za którym widać zielony ogród i drzewa schodzące do wody."
        ),
        (
            "Na brukowanym placu stoją stragany targowe pod markizami w czerwono-białe pasy. Na "
            "pierwszym planie pomidory, bakłażany i cytryny wypełniają duże wiklinowe kosze. Ludzie z "
            "torbami idą alejką, a nad starymi budynkami w tle góruje wieża zegarowa."
        ),
    ],
}
"""Captions by language code, written for these tests."""

RELATED = {
    "nb": (
        "En rød båt ligger fortøyd ved en trebrygge i en rolig havn tidlig om morgenen. På dekket "
        "ligger blå garn stablet ved siden av tre gule bøyer. Ytterst på bryggen holder en mann med "
        "hatt en fiskestang, og ved føttene hans står en bøtte med to fisker. I bakgrunnen reiser et "
        "hvitt fyrtårn seg på klippene."
    ),
    "da": (
        "En rød båd ligger fortøjet ved en træbro i en rolig havn tidligt om morgenen. På dækket "
        "ligger blå net stablet ved siden af tre gule bøjer. For enden af broen holder en mand med "
        "hat en fiskestang, og ved hans fødder står en spand med to fisk. I baggrunden rejser et "
        "hvidt fyrtårn sig på klipperne."
    ),
    "id": (
        "Sebuah perahu merah ditambatkan di samping dermaga kayu di pelabuhan yang tenang pada pagi "
        "hari. Di atas geladak terdapat jaring biru yang ditumpuk di sebelah tiga pelampung kuning. "
        "Di ujung dermaga, seorang pria bertopi memegang joran pancing, dan di dekat kakinya ada "
        "ember berisi dua ekor ikan. Di latar belakang berdiri mercusuar putih di atas batu karang."
    ),
    "ms": (
        "Sebuah bot merah ditambat di tepi jeti kayu di pelabuhan yang tenang pada awal pagi. Di "
        "atas geladak terdapat pukat biru yang disusun di sebelah tiga pelampung kuning. Di hujung "
        "jeti, seorang lelaki bertopi memegang joran, dan di kakinya ada baldi berisi dua ekor ikan. "
        "Di latar belakang, sebuah rumah api putih berdiri di atas batu."
    ),
    "hr": (
        "Crveni brod privezan je uz drveni mol u mirnoj luci rano ujutro. Na palubi su složene plave "
        "mreže pokraj triju žutih bova. Na kraju mola muškarac sa šeširom drži štap za pecanje, a "
        "kraj njegovih nogu stoji kanta s dvije ribe. U pozadini se na stijenama uzdiže bijeli "
        "svjetionik."
    ),
    "sr": (
        "Crveni čamac je privezan uz drveni mol u mirnoj luci rano ujutru. Na palubi su složene "
        "plave mreže pored tri žute bove. Na kraju mola muškarac sa šeširom drži štap za pecanje, a "
        "pored njegovih nogu stoji kanta sa dve ribe. U pozadini se na stenama uzdiže beli svetionik."
    ),
    "uk": (
        "Червоний човен стоїть біля дерев'яного причалу в тихій гавані рано-вранці. На палубі "
        "складені сині сітки, поруч лежать три жовті буї. На краю причалу чоловік у капелюсі тримає "
        "вудку, а біля його ніг стоїть відро з двома рибами. На задньому плані на скелях височіє "
        "білий маяк."
    ),
    "mr": (
        "पहाटे एका शांत बंदरात लाकडी धक्क्याजवळ एक लाल होडी बांधलेली आहे. होडीवर निळी जाळी रचून "
        "ठेवलेली आहेत आणि त्यांच्या शेजारी तीन पिवळे बोये आहेत. धक्क्याच्या टोकाला टोपी घातलेला एक "
        "माणूस गळ धरून उभा आहे. मागे खडकांवर एक पांढरे दीपगृह उभे आहे."
    ),
    "fa": (
        "یک قایق قرمز در صبح زود کنار اسکله‌ای چوبی در بندری آرام بسته شده است. روی عرشه تورهای آبی "
        "در کنار سه شناور زرد روی هم چیده شده‌اند. در انتهای اسکله مردی با کلاه چوب ماهیگیری در دست "
        "دارد و کنار پایش سطلی با دو ماهی قرار دارد. در پس‌زمینه فانوس دریایی سفیدی روی صخره‌ها "
        "ایستاده است."
    ),
    "nl": (
        "Een rode boot ligt vroeg in de ochtend aan een houten steiger in een rustige haven. Op het "
        "dek liggen blauwe netten naast drie gele boeien. Aan het einde van de steiger houdt een man "
        "met een hoed een hengel vast, en bij zijn voeten staat een emmer met twee vissen. Op de "
        "achtergrond staat een witte vuurtoren op de rotsen."
    ),
}
"""One caption in each of some languages that are similar to others."""
